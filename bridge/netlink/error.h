// Why a netlink request was refused.
#pragma once

#include <string>

namespace isthmus::bridge {

struct NetlinkError {
    int code = 0;             ///< errno value, positive
    std::string doing;        ///< what was asked: "put lan0 into br-dc"
    std::string kernel_says;  ///< extended acknowledgement; often empty

    /// "cannot put lan0 into br-dc: Device is a loopback (EINVAL)"
    [[nodiscard]] std::string text() const;
};

}  // namespace isthmus::bridge
