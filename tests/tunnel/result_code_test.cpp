#include "tunnel/result_code.h"

#include <doctest/doctest.h>

using namespace isthmus::tunnel;

TEST_CASE("an ending says result, error and message in words") {
    CHECK(words(Ending<StopResult>{StopResult::not_authorized, ErrorCode::none, ""}) ==
          "requester is not authorized to establish a control connection");
    CHECK(words(Ending<StopResult>{StopResult::general_error, ErrorCode::unknown_mandatory_avp, "AVP 99"}) ==
          "general error: an unknown AVP has the M bit (AVP 99)");
    CHECK(words(Ending<CdnResult>{CdnResult::unsupported_pseudowire, ErrorCode::none, ""}) ==
          "pseudowire type is not supported");
    CHECK(words(CdnResult{99}) == "unknown result 99");
    CHECK(words(StopResult{8}) == "unknown result 8");
    CHECK(words(ErrorCode{77}) == "unknown error 77");
}

TEST_CASE("every result and error of RFC 3931 has its own words") {
    std::vector<std::string> all;
    for (int i = 0; i <= 7; ++i) all.push_back(words(StopResult{static_cast<std::uint16_t>(i)}));
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
    all.clear();
    for (const int i : {0, 1, 2, 3, 4, 5, 13, 14, 15, 16})
        all.push_back(words(CdnResult{static_cast<std::uint16_t>(i)}));
    for (int i = 0; i <= 9; ++i) all.push_back(words(ErrorCode{static_cast<std::uint16_t>(i)}));
    for (const auto& text : all) CHECK(text.find("unknown re") == std::string::npos);
}

TEST_CASE("a peer's text is shown without anything that a terminal would act upon") {
    CHECK(printable("plain text") == "plain text");
    CHECK(printable("\x1b[31mred\n") == "\\x1b[31mred\\x0a");
    CHECK(printable("Gr\xc3\xbc\xc3\x9f"
                    "e") ==
          "Gr\xc3\xbc\xc3\x9f"
          "e");
    CHECK(printable("\xc3") == "\\xc3");                    // cut
    CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");           // not the shortest form
    CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
    CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");           // a control character
    CHECK(printable("a\\b") == "a\\x5cb");
    CHECK(printable(std::string(500, 'x')).size() == 203);
}
