#include "config/problem.h"

namespace isthmus::config {

std::string Problem::text() const {
    std::string out = file;
    if (line > 0) out += ":" + std::to_string(line);
    out += ": ";
    if (!key.empty()) out += key + ": ";
    out += what;
    if (!remedy.empty()) out += "; " + remedy;
    return out;
}

}  // namespace isthmus::config
