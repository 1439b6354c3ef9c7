#include "bridge/io/capture_file.h"

#include <fcntl.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace isthmus::bridge {

namespace {

constexpr int kSnapLength = 65'535;

struct ClosePcap {
    void operator()(pcap_t* p) const noexcept { pcap_close(p); }
};
struct CloseDump {
    void operator()(pcap_dumper_t* d) const noexcept { pcap_dump_close(d); }
};

std::string failed(const std::filesystem::path& path) {
    return "cannot write " + path.string() + ": " + std::strerror(errno);
}

}  // namespace

Result<void, std::string> write_capture(const std::filesystem::path& path,
                                        const std::vector<CapturedFrame>& frames) {
    const std::filesystem::path beside = path.string() + ".new";
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return Unexpected(failed(beside));
    std::FILE* const file = ::fdopen(fd, "wb");
    if (file == nullptr) {
        ::close(fd);
        return Unexpected(failed(beside));
    }
    const std::unique_ptr<pcap_t, ClosePcap> pcap(pcap_open_dead(DLT_EN10MB, kSnapLength));
    std::unique_ptr<pcap_dumper_t, CloseDump> dump(pcap ? pcap_dump_fopen(pcap.get(), file) : nullptr);
    if (!dump) {
        std::fclose(file);
        return Unexpected(failed(beside));
    }
    for (const CapturedFrame& frame : frames) {
        pcap_pkthdr header{};
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(frame.at);
        header.ts.tv_sec = seconds.count();
        header.ts.tv_usec = std::chrono::duration_cast<std::chrono::microseconds>(frame.at - seconds).count();
        header.caplen = static_cast<bpf_u_int32>(frame.head.size());
        header.len = frame.size;
        pcap_dump(reinterpret_cast<u_char*>(dump.get()), &header, frame.head.data());
    }
    if (pcap_dump_flush(dump.get()) != 0) return Unexpected(failed(beside));
    dump.reset();
    if (std::rename(beside.c_str(), path.c_str()) != 0) return Unexpected(failed(path));
    return {};
}

}  // namespace isthmus::bridge
