// SPDX-License-Identifier: Apache-2.0
#include "sensors/process/start_obstacle.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/descriptor.h"
#include "base/text.h"
#include "waggle/bytes.h"

namespace waggle::sensors {
namespace {

constexpr int most_interpreters = 5;       // as the kernel follows them
constexpr std::size_t header_bytes = 256;  // BINPRM_BUF_SIZE

std::string_view machine_name(unsigned machine) {
    switch (machine) {
        case EM_386:
            return "x86 (32 bits)";
        case EM_X86_64:
            return "x86-64";
        case EM_ARM:
            return "ARM (32 bits)";
        case EM_AARCH64:
            return "ARM (64 bits)";
        case EM_RISCV:
            return "RISC-V";
        case EM_PPC64:
            return "POWER (64 bits)";
        case EM_S390:
            return "s390";
        case EM_MIPS:
            return "MIPS";
        case 258:  // EM_LOONGARCH
            return "LoongArch";
    }
    return {};
}

class Look {
  public:
    explicit Look(const StartRequest& request) : request_(request) {}

    StartObstacle find() const {
        if (StartObstacle way = on_the_way(request_.path); !way.reason.empty()) return way;
        switch (request_.error) {
            case ENOENT:
                return missing(request_.path, 0);
            case EACCES:
                return refused(request_.path, 0);
            case ENOEXEC:
                return not_a_program(request_.path, 0);
            case ETXTBSY:
                return {"busy", request_.path, {}, {}};
            case E2BIG:
                return {"too_long", {}, {}, {}};
            case ELOOP:
                return open(request_.path, O_PATH) ? StartObstacle{}
                                                   : StartObstacle{"links", request_.path, {}, {}};
            default:
                return {};
        }
    }

  private:
    // As the process opens it: links lead into its own root.
    OwnedFd open(const std::string& path, std::uint64_t flags) const {
        open_how how{};
        how.flags = flags | O_CLOEXEC;
        how.resolve = RESOLVE_IN_ROOT;
        return OwnedFd(
            static_cast<int>(::syscall(SYS_openat2, request_.root, path.c_str(), &how, sizeof how)));
    }
    std::optional<struct stat> status(const OwnedFd& file) const {
        struct stat status{};
        if (!file || ::fstat(file.get(), &status) != 0) return {};
        return status;
    }

    static bool has_access_list(const OwnedFd& file) {
        const std::string path = fmt::format("/proc/self/fd/{}", file.get());
        return ::getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) > 0;
    }

    // Whether the kernel refuses this right, whatever an access list beside the mode may say: that gives nobody but the owner and
    // others more than the group's part of the mode, which is its mask.
    bool refuses(const OwnedFd& file, const struct stat& status) const {
        const unsigned mode = status.st_mode;
        if (request_.user == 0) return S_ISREG(mode) && (mode & 0111) == 0;
        if (status.st_uid == request_.user) return (mode & 0100) == 0;
        if (std::ranges::find(request_.groups, status.st_gid) != request_.groups.end())
            return (mode & 0010) == 0;
        if ((mode & 0011) == 0) return true;
        return (mode & 0001) == 0 && request_.all_groups && !has_access_list(file);
    }
    struct Link {
        std::string path;
        std::string target;  // as it stands in the link
    };
    // Of links that lead on from one to the next and at last to nothing, the last; nothing where `path` is no link.
    std::optional<Link> last_link(std::string path) const {
        constexpr int most_links = 40;  // as the kernel follows them
        std::optional<Link> last;
        for (int i = 0; i < most_links; ++i) {
            const OwnedFd file = open(path, O_PATH | O_NOFOLLOW);
            const auto about = status(file);
            if (!about) return errno == ENOENT ? last : std::nullopt;
            char target[4096];
            if (!S_ISLNK(about->st_mode)) return {};
            const ssize_t length = ::readlinkat(file.get(), "", target, sizeof target);
            if (length <= 0) return {};
            last = Link{path, {target, static_cast<std::size_t>(length)}};
            path = target[0] == '/' ? last->target : path.substr(0, path.rfind('/') + 1) + last->target;
        }
        return {};
    }
    static StartObstacle dangling(Link link) {
        return {"dangling_part", std::move(link.path), std::move(link.target), {}};
    }

    // A directory before the last part that is missing, none, or closed to this user; where that explains the error.
    StartObstacle on_the_way(const std::string& path) const {
        for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
             slash = path.find('/', slash + 1)) {
            const std::string directory = path.substr(0, slash);
            const OwnedFd file = open(directory, O_PATH);
            const int error = errno;
            if (!file && error == ENOENT && request_.error == ENOENT) {
                if (auto link = last_link(directory)) return dangling(*std::move(link));
                return {"no_directory", directory, {}, {}};
            }
            if (!file) return {};
            const auto about = status(file);
            if (!about) return {};
            if (!S_ISDIR(about->st_mode))
                return request_.error == ENOTDIR ? StartObstacle{"not_a_directory", directory, {}, {}}
                                                 : StartObstacle{};
            if (request_.error == EACCES && refuses(file, *about))
                return {"closed_directory", directory, {}, {}};
        }
        return {};
    }

    // The file, what its first line names, or the loader that it names is missing.
    StartObstacle missing(const std::string& path, int depth) const {
        const OwnedFd file = open(path, O_PATH);
        if (!file) {
            if (errno != ENOENT || depth > 0) return {};
            if (!open(path, O_PATH | O_NOFOLLOW)) return {"no_file", path, {}, {}};
            auto link = last_link(path);
            if (!link) return {};
            if (link->path == path) return {"dangling_link", std::move(link->target), {}, {}};
            return dangling(*std::move(link));
        }
        if (depth >= most_interpreters) return {};
        const std::string header = first_bytes(path);
        if (const std::string interpreter = named_interpreter(header); !interpreter.empty()) {
            if (exists(interpreter)) return missing(interpreter, depth + 1);
            if (interpreter.ends_with('\r') && exists(interpreter.substr(0, interpreter.size() - 1)))
                return {"line_end", interpreter.substr(0, interpreter.size() - 1), {}, {}};
            return {"no_interpreter", interpreter, {}, {}};
        }
        if (const std::string loader = named_loader(path, header); !loader.empty() && !exists(loader))
            return {"no_loader", loader, {}, {}};
        return {};
    }

    StartObstacle refused(const std::string& path, int depth) const {
        const OwnedFd file = open(path, O_PATH);
        const auto about = status(file);
        if (!about) return {};
        if (S_ISDIR(about->st_mode)) return {"is_directory", path, {}, {}};
        if (!S_ISREG(about->st_mode)) return {"no_plain_file", path, {}, {}};
        struct statvfs mounted{};
        if (::fstatvfs(file.get(), &mounted) == 0 && (mounted.f_flag & ST_NOEXEC) != 0)
            return {"noexec",
                    request_.same_root ? mount_of(path_of_descriptor(file.get())) : std::string(),
                    {},
                    {}};
        if (refuses(file, *about))
            return {(about->st_mode & 0111) == 0 ? "not_executable" : "not_for_user", path, {}, {}};
        if (depth >= most_interpreters) return {};
        const std::string interpreter = named_interpreter(first_bytes(path));
        return interpreter.empty() ? StartObstacle{} : refused(interpreter, depth + 1);
    }

    StartObstacle not_a_program(const std::string& path, int depth) const {
        const OwnedFd file = open(path, O_PATH);
        const auto about = status(file);
        if (!about || !S_ISREG(about->st_mode)) return {};
        if (about->st_size == 0) return {"empty", path, {}, {}};
        const std::string header = first_bytes(path);
        if (header.empty()) return {};
        if (const std::string interpreter = named_interpreter(header); !interpreter.empty())
            return depth >= most_interpreters ? StartObstacle{} : not_a_program(interpreter, depth + 1);
        if (header.starts_with(ELFMAG)) return of_elf(path, header);
        if (header.starts_with("#!")) return {"no_interpreter_named", path, {}, {}};
        if (header.starts_with("MZ")) return {"foreign_format", path, "a Windows program", {}};
        if (header.starts_with("\xcf\xfa\xed\xfe") || header.starts_with("\xca\xfe\xba\xbe"))
            return {"foreign_format",
                    path,
                    header[0] == '\xcf' ? "a macOS program" : "a macOS program or Java class",
                    {}};
        if (header.starts_with("\x1f\x8b") || header.starts_with("PK\x03\x04") ||
            header.starts_with("\xfd"
                               "7zXZ"))
            return {"foreign_format", path, "an archive", {}};
        const bool text = std::ranges::all_of(header, [](char c) {
            return (c >= ' ' && c != '\x7f') || c == '\n' || c == '\t' || c == '\r' || (c & 0x80) != 0;
        });
        if (text) return {"no_first_line", path, {}, {}};
        return {"foreign_format", path, "no program of a known kind", {}};
    }

    StartObstacle of_elf(const std::string& path, std::string_view header) const {
        if (header.size() < sizeof(Elf32_Ehdr)) return {"cut_short", path, {}, {}};
        const unsigned type = load<std::uint16_t>(bytes_of(header), offsetof(Elf64_Ehdr, e_type));
        const unsigned machine = load<std::uint16_t>(bytes_of(header), offsetof(Elf64_Ehdr, e_machine));
        if (type == ET_REL)
            return {"foreign_format", path, "an object file that no linker has made a program of", {}};
        constexpr unsigned own =
#if defined(__x86_64__)
            EM_X86_64;
#elif defined(__aarch64__)
            EM_AARCH64;
#else
            EM_NONE;
#endif
        if (machine == own || machine_name(machine).empty()) return {};
        return {"other_machine", path, std::string(machine_name(machine)), std::string(machine_name(own))};
    }

    bool exists(const std::string& path) const { return static_cast<bool>(open(path, O_PATH)); }

    // Empty where it is no plain file: what is read from a pipe is gone for who it was meant for.
    std::string first_bytes(const std::string& path) const {
        if (const auto about = status(open(path, O_PATH)); !about || !S_ISREG(about->st_mode)) return {};
        const OwnedFd file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        char bytes[header_bytes];
        const ssize_t length = file ? ::pread(file.get(), bytes, sizeof bytes, 0) : -1;
        return {bytes, length > 0 ? static_cast<std::size_t>(length) : 0};
    }

    // "#! /bin/sh -e": "/bin/sh", as the kernel reads it (fs/binfmt_script.c); only where it is absolute.
    static std::string named_interpreter(std::string_view header) {
        if (!header.starts_with("#!")) return {};
        const std::size_t end = header.find('\n');
        if (end == std::string_view::npos && header.size() == header_bytes) return {};
        std::string_view line = header.substr(2, end == std::string_view::npos ? end : end - 2);
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        line = line.substr(0, line.find_first_of(std::string_view(" \t\0", 3)));
        return line.starts_with('/') ? std::string(line) : std::string();
    }

    // The PT_INTERP of an ELF file of 64 bits or 32, in this machine's byte order.
    std::string named_loader(const std::string& path, std::string_view header) const {
        if (!header.starts_with(ELFMAG) || header.size() < sizeof(Elf64_Ehdr)) return {};
        const OwnedFd file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (!file) return {};
        const Bytes bytes = bytes_of(header);
        return header[EI_CLASS] == ELFCLASS32 ? loader_of<Elf32_Ehdr, Elf32_Phdr>(file.get(), bytes)
                                              : loader_of<Elf64_Ehdr, Elf64_Phdr>(file.get(), bytes);
    }
    template <class Header, class Part>
    static std::string loader_of(int file, Bytes header) {
        const auto elf = load<Header>(header);
        if (elf.e_phentsize != sizeof(Part)) return {};
        for (unsigned i = 0; i < std::min<unsigned>(elf.e_phnum, 64); ++i) {
            Part part{};
            const auto at = static_cast<off_t>(elf.e_phoff + i * sizeof(Part));
            if (::pread(file, &part, sizeof part, at) != static_cast<ssize_t>(sizeof part)) return {};
            if (part.p_type != PT_INTERP) continue;
            char name[4096];
            const std::size_t size = std::min<std::size_t>(part.p_filesz, sizeof name);
            const ssize_t length = ::pread(file, name, size, static_cast<off_t>(part.p_offset));
            return length > 0 ? std::string(name, ::strnlen(name, static_cast<std::size_t>(length)))
                              : std::string();
        }
        return {};
    }

    // The directory at which what holds `path` is mounted.
    static std::string mount_of(std::string path) {
        const auto mount = [](const std::string& at) -> std::uint64_t {
            struct statx about{};
            return ::statx(AT_FDCWD, at.c_str(), 0, STATX_MNT_ID, &about) == 0 &&
                           (about.stx_mask & STATX_MNT_ID) != 0
                       ? about.stx_mnt_id
                       : 0;
        };
        const std::uint64_t own = mount(path);
        if (own == 0) return {};
        while (path.size() > 1) {
            std::string above = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
            if (mount(above) != own) break;
            path = std::move(above);
        }
        return path;
    }

    const StartRequest& request_;
};

// What the kernel's side tells of a directory; nothing where this cannot be told of it.
std::optional<process_directory> identity(int directory) {
    struct statx about{};
    if (directory < 0 || ::statx(directory, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &about) != 0 ||
        (about.stx_mask & STATX_MNT_ID) == 0 || (about.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0)
        return {};
    const bool is_root = (about.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    return process_directory{is_root ? 0 : about.stx_ino, static_cast<__u32>(about.stx_mnt_id), 0};
}

bool is(int directory, const process_directory& told) {
    const auto own = identity(directory);
    return own && told.mount != 0 && own->mount == told.mount && own->inode == told.inode;
}

OwnedFd directory_of(std::uint32_t pid, std::string_view which) {
    return OwnedFd(::open(fmt::format("/proc/{}/{}", pid, which).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

bool has_other_mounts(std::uint32_t pid) {
    struct stat own{}, its{};
    return ::stat("/proc/self/ns/mnt", &own) == 0 &&
           ::stat(fmt::format("/proc/{}/ns/mnt", pid).c_str(), &its) == 0 && its.st_ino != own.st_ino;
}

// What is told of a root that is not ours; `pid` is a process that has it.
void name_root(StartPlace& place, const process_exec_failure_event& event, std::uint32_t pid) {
    std::string path = path_of_descriptor(place.root.get());
    const OwnedFd named(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (is(named.get(), event.root))
        place.root_kind = "directory";
    else if (has_other_mounts(pid))
        place.root_kind = "mounts";
    else
        return;
    if (path.starts_with('/') && path != "/" && !path.ends_with(" (deleted)"))
        place.root_path = std::move(path);
}

}  // namespace

StartObstacle find_obstacle(const StartRequest& request) { return Look(request).find(); }

StartPlace find_place(const process_exec_failure_event& event, std::string_view path) {
    StartPlace place;
    if (path.empty()) return place;
    place.root = OwnedFd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    place.same_root = is(place.root.get(), event.root);
    place.root_kind = place.same_root ? "ours" : "";
    if (!place.same_root && event.root.mount != 0 && identity(place.root.get())) place.root_kind = "other";
    std::uint32_t has_root = 0;
    for (const std::uint32_t pid : {event.header.pid, event.parent_pid}) {
        if (is(place.root.get(), event.root)) break;
        place.root = directory_of(pid, "root");
        has_root = pid;
    }
    // What is known of the root alone.
    const auto nowhere = [&] {
        return StartPlace{{}, place.same_root, {}, place.root_kind, std::move(place.root_path)};
    };
    if (!is(place.root.get(), event.root)) return nowhere();
    if (!place.same_root) name_root(place, event, has_root);
    place.path = path;
    if (path.starts_with('/')) return place;
    while (path.starts_with("./")) path.remove_prefix(2);
    for (const std::uint32_t pid : {event.header.pid, event.parent_pid}) {
        const OwnedFd directory = directory_of(pid, "cwd");
        if (!is(directory.get(), event.directory)) continue;
        std::string in = path_of_descriptor(directory.get());
        // As this process sees it: the other root's own path stands before it, where that is not ours.
        const std::string root = path_of_descriptor(place.root.get());
        if (root != "/" && in.starts_with(root)) in.erase(0, root.size());
        place.path = fmt::format("{}/{}", in == "/" ? "" : in, path);
        return place;
    }
    return nowhere();
}

Bytes FailureReader::complete(Bytes record) {
    constexpr __u64 fresh_ns = 1'000'000'000;
    constexpr std::size_t most_known = 1024;
    writer_.clear();
    writer_.fixed = load<process_exec_failure_event>(record);
    process_exec_failure_event& event = writer_.fixed;
    const std::string path(reinterpret_cast<const char*>(record.data()) + event.path.offset,
                           event.path.length);
    const Key key{path,
                  event.error,
                  event.user,
                  event.root.mount,
                  event.root.inode,
                  event.directory.mount,
                  event.directory.inode};
    if (known_.size() >= most_known) known_.clear();
    const auto [found, is_new] = known_.try_emplace(key);
    Known& known = found->second;
    if (is_new || event.header.time_ns - known.time_ns >= fresh_ns) {
        const StartPlace place = find_place(event, path);
        known = {event.header.time_ns, place.same_root, place.path.empty() ? path : place.path, {},
                 place.root_kind,      place.root_path};
        StartRequest request{place.root.get(),
                             place.same_root,
                             place.path,
                             event.user,
                             {event.group},
                             false,
                             static_cast<int>(event.error)};
        request.all_groups = event.groups <= PROCESS_GROUPS;
        if (request.all_groups)
            request.groups.insert(request.groups.end(), event.first_groups,
                                  event.first_groups + event.groups);
        if (place.root) known.obstacle = find_obstacle(request);
    }
    event.same_root = known.same_root ? 1 : 0;
    writer_.text(&process_exec_failure_event::path, known.path);
    writer_.text(&process_exec_failure_event::reason, known.obstacle.reason);
    writer_.text(&process_exec_failure_event::obstacle, known.obstacle.obstacle);
    writer_.text(&process_exec_failure_event::found, known.obstacle.found);
    writer_.text(&process_exec_failure_event::wanted, known.obstacle.wanted);
    writer_.text(&process_exec_failure_event::root_kind, known.root_kind);
    writer_.text(&process_exec_failure_event::root_path, known.root_path);
    return writer_.finish();
}

}  // namespace waggle::sensors
