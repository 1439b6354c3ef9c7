// Kernel constants that Linux 6.1's headers lack, under our own names. Sources: include/uapi/linux/if_link.h,
// neighbour.h.
#pragma once

#include <cstdint>

namespace isthmus::bridge::netlink {

// IFLA_BRPORT_*: 6.2, 6.3, 6.3, 6.4, 6.5
inline constexpr std::uint16_t kBrportMab = 40;
inline constexpr std::uint16_t kBrportMcastGroups = 41;
inline constexpr std::uint16_t kBrportMcastMaxGroups = 42;
inline constexpr std::uint16_t kBrportNeighVlanSuppress = 43;
inline constexpr std::uint16_t kBrportBackupNexthop = 44;

// IFLA_BR_*: 6.7
inline constexpr std::uint16_t kBrFdbLearned = 48;
inline constexpr std::uint16_t kBrFdbMaxLearned = 49;

// NTF_EXT_*: 6.2
inline constexpr std::uint32_t kNtfExtLocked = 1U << 1;

}  // namespace isthmus::bridge::netlink
