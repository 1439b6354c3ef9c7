#include "crypto/ike/wire/security_association.h"

#include "crypto/ike/wire/any_spi.h"

namespace isthmus::crypto::ike {

namespace {

constexpr std::size_t kProposalHeader = 8;
constexpr std::size_t kTransformHeader = 8;
constexpr std::uint8_t kMoreProposals = 2;
constexpr std::uint8_t kMoreTransforms = 3;
constexpr std::uint16_t kKeyLengthAttribute = 14;
constexpr std::uint16_t kShortForm = 0x8000;

Result<void, std::string> parse_attributes(ByteReader in, Transform& transform) {
    while (in.remaining() > 0) {
        const auto head = in.u16();
        const auto value = in.u16();
        if (!head || !value) return Unexpected(std::string("an attribute is cut short"));
        if ((*head & kShortForm) == 0) {
            if (!in.bytes(*value))
                return Unexpected("attribute length " + std::to_string(*value) +
                                  " passes the transform's end");
            transform.unknown_attribute = true;  // the key length has the short form only
        } else if ((*head & ~kShortForm) != kKeyLengthAttribute) {
            transform.unknown_attribute = true;
        } else if (*value == 0 || transform.key_bits != 0) {
            return Unexpected(std::string("the key length attribute is zero, or there are two"));
        } else {
            transform.key_bits = *value;
        }
    }
    return {};
}

/// A substructure's length field, and what is inside: both kinds begin alike.
struct Framed {
    bool more;
    ByteReader body;
};
Result<Framed, std::string> next_framed(ByteReader& in, std::uint8_t more_mark, std::size_t least) {
    const auto mark = in.u8();
    const auto reserved = in.u8();
    const auto length = in.u16();
    if (!mark || !reserved || !length) return Unexpected(std::string("cut short"));
    if (*mark != 0 && *mark != more_mark)
        return Unexpected("the mark of the last one is " + std::to_string(*mark) + " instead of 0 or " +
                          std::to_string(more_mark));
    if (*length < least)
        return Unexpected("length " + std::to_string(*length) + " is below " + std::to_string(least));
    constexpr std::size_t kFraming = 4;
    const auto body = in.bytes(*length - kFraming);
    if (!body) return Unexpected("length " + std::to_string(*length) + " passes the end");
    return Framed{*mark != 0, ByteReader(*body)};
}

Result<void, std::string> parse_transforms(ByteReader in, std::size_t count, Proposal& proposal) {
    proposal.transforms.reserve(std::min(count, in.remaining() / kTransformHeader));
    for (std::size_t i = 1; i <= count; ++i) {
        const std::string where = "transform " + std::to_string(i) + ": ";
        auto framed = next_framed(in, kMoreTransforms, kTransformHeader);
        if (!framed) return Unexpected(where + framed.error());
        if (framed->more != (i < count))
            return Unexpected(where + "the mark of the last one contradicts the number of transforms");
        Transform transform;
        transform.type = TransformType{*framed->body.u8()};
        (void)framed->body.u8();  // reserved
        transform.id = *framed->body.u16();
        auto attributes = parse_attributes(framed->body, transform);
        if (!attributes) return Unexpected(where + attributes.error());
        proposal.transforms.push_back(transform);
    }
    if (in.remaining() != 0) return Unexpected(std::string("bytes are left behind the last transform"));
    return {};
}

Result<Proposal, std::string> parse_proposal(ByteReader in) {
    Proposal proposal;
    proposal.number = *in.u8();
    proposal.protocol = ProtocolId{*in.u8()};
    const std::size_t spi_size = *in.u8();
    const std::size_t count = *in.u8();
    auto spi = parse_spi(in, spi_size);
    if (!spi) return Unexpected(std::move(spi).error());
    proposal.spi = *spi;
    auto transforms = parse_transforms(in, count, proposal);
    if (!transforms) return Unexpected(std::move(transforms).error());
    return proposal;
}

void emit_transform(ByteWriter& out, const Transform& transform, bool last) {
    constexpr std::size_t kAttribute = 4;
    const bool has_key = transform.key_bits != 0;
    out.u8(last ? 0 : kMoreTransforms).u8(0);
    out.u16(static_cast<std::uint16_t>(kTransformHeader + (has_key ? kAttribute : 0)));
    out.u8(raw(transform.type)).u8(0).u16(transform.id);
    if (has_key) out.u16(kShortForm | kKeyLengthAttribute).u16(transform.key_bits);
}

}  // namespace

Result<SaPayload, std::string> SaPayload::parse(Bytes body) {
    ByteReader in(body);
    SaPayload sa;
    for (bool more = true; more;) {
        const std::string where = "proposal " + std::to_string(sa.proposals.size() + 1) + ": ";
        if (sa.proposals.size() == kMaxProposals)
            return Unexpected("more than " + std::to_string(kMaxProposals) + " proposals");
        auto framed = next_framed(in, kMoreProposals, kProposalHeader);
        if (!framed) return Unexpected(where + framed.error());
        auto proposal = parse_proposal(framed->body);
        if (!proposal) return Unexpected(where + proposal.error());
        sa.proposals.push_back(std::move(*proposal));
        more = framed->more;
    }
    if (in.remaining() != 0) return Unexpected(std::string("bytes are left behind the last proposal"));
    return sa;
}

void SaPayload::emit(ByteWriter& out) const {
    for (const Proposal& proposal : proposals) {
        const std::size_t start = out.size();
        out.u8(&proposal == &proposals.back() ? 0 : kMoreProposals).u8(0).u16(0);
        out.u8(proposal.number).u8(raw(proposal.protocol));
        out.u8(static_cast<std::uint8_t>(spi_size(proposal.spi)));
        out.u8(static_cast<std::uint8_t>(proposal.transforms.size()));
        emit_spi(out, proposal.spi);
        for (const Transform& transform : proposal.transforms)
            emit_transform(out, transform, &transform == &proposal.transforms.back());
        out.patch_u16(start + 2, static_cast<std::uint16_t>(out.size() - start));
    }
}

std::string text_of(const Proposal& proposal) {
    std::string text = name_of(proposal.protocol) + ":";
    TransformType previous{};
    for (const Transform& transform : proposal.transforms) {
        if (previous == transform.type)
            text += "/";
        else
            text += previous == TransformType{} ? " " : ", ";
        text += transform.name();
        previous = transform.type;
    }
    return text;
}

}  // namespace isthmus::crypto::ike
