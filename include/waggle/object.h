// SPDX-License-Identifier: Apache-2.0
// Object: one BPF object in the kernel, from its compiled bytes to nothing left behind.
//
// Takes what clang (14 and newer), bpf2go and Rust's aya build: BTF maps, and legacy maps in a section
// "maps".
//
// Life: open() reads the bytes; globals are set, map sizes and programs chosen, places planned; load() brings
// all into the kernel; attach() makes programs run. Destruction and unload() detach and unload all, in any
// order of failure. Not thread-safe: one thread at a time. Errors name the cause: the field the kernel lacks,
// the missing licence, the machine an object was built for.
//
//   auto object = Object::open_file("count.bpf.o");
//   if (!object) return object.error();
//   if (auto ran = object->start("on_exit", "kprobe:do_exit"); !ran) return ran.error();
//   auto counter = object->global<std::uint64_t>("exits");
//
// A sensor of waggle uses load(moments) instead, which climbs each moment's ladder by really loading.
// Source: libbpf 1.1 or newer; kernel >= 5.8 with BTF.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "waggle/attach.h"
#include "waggle/bytes.h"
#include "waggle/coverage.h"
#include "waggle/owned_fd.h"
#include "waggle/result.h"

struct bpf_object;

namespace waggle {

// A kernel moment and the programs that can watch it, best first. Programs outside every moment are not
// loaded.
struct Moment {
    std::string_view name;                       // "exec"
    std::span<const std::string_view> programs;  // names of the programs in the object
    std::string_view lost;                       // what is not seen when none holds, one sentence
    bool required = false;                       // load() fails when none holds
    bool load_only = false;                      // do not attach: the verifier's word is enough
};

// How an object is opened, besides its bytes.
struct ObjectOptions {
    // BTF to resolve the object's field offsets against, instead of the running kernel's own.
    std::string btf_path;
    // Maps that ask to be pinned by name are pinned in this directory of a BPF file system; one that is
    // already there with the same shape is used instead of a new one. Empty: /sys/fs/bpf.
    std::string pin_root;
};

// A program of an object. Counters as in Attachment.
struct ObjectProgram {
    std::string name;       // of its function
    std::string section;    // "kprobe/do_exit"
    std::string type;       // "kprobe", as libbpf and bpftool name it; "unspec" where the section says none
    bool autoload = false;  // load() loads it
    bool loaded = false;    // it is in the kernel now
    std::uint32_t id = 0;   // the kernel's number for it; 0 before load()
    std::uint32_t instructions = 0;  // as compiled, before the kernel rewrites them
    std::uint64_t runs = 0;          // since it was loaded
    std::uint64_t run_ns = 0;        // nanoseconds spent in them
    std::uint64_t missed = 0;        // skipped, because it was already running on that CPU
};

// A map of an object.
struct ObjectMap {
    std::string name;            // of its variable; of globals, the object's and the section's ("count.bss")
    std::string type;            // "hash"
    std::uint32_t key_size = 0;  // bytes
    std::uint32_t value_size = 0;   // bytes; of a per-CPU map, for one CPU
    std::uint32_t max_entries = 0;  // entries; of a ring, bytes
    std::uint32_t id = 0;           // 0 before load()
    bool global_data = false;       // .rodata, .bss, .data and their kin
    bool legacy = false;            // declared in a section "maps", without types
    bool reused = false;            // an already pinned map
    std::string pinned;             // path; empty when it is not
};

// What a global must be to be read or written as a C++ type.
enum class GlobalType { any, boolean, character, signed_integer, unsigned_integer, floating };

// The kind of a C++ type, an enum's being that of its integer; `any` for structs and arrays, of which the
// size alone is checked.
template <class T>
constexpr GlobalType global_type() {
    if constexpr (std::is_enum_v<T>)
        return global_type<std::underlying_type_t<T>>();
    else if constexpr (std::is_same_v<T, bool>)
        return GlobalType::boolean;
    else if constexpr (std::is_same_v<T, char>)
        return GlobalType::character;
    else if constexpr (std::is_floating_point_v<T>)
        return GlobalType::floating;
    else if constexpr (std::is_integral_v<T>)
        return std::is_signed_v<T> ? GlobalType::signed_integer : GlobalType::unsigned_integer;
    else
        return GlobalType::any;
}

// Where one program is to be attached.
struct Plan {
    std::string_view program;  // its name in the object
    AttachSpec spec;           // `section` where the section names a place
};

// What unload() took out of the kernel.
struct Unloaded {
    std::size_t attachments = 0;  // detached
    std::size_t programs = 0;     // closed
    std::size_t maps = 0;         // pinned maps live on in their file
};

// The kernel counts runs and their time (about 20 ns a run more, for all programs of the machine) while one
// of these lives. Needs CAP_SYS_ADMIN; kernel >= 5.8.
class RunStatistics {
  public:
    // Counting begins now; an error of kind privilege without CAP_SYS_ADMIN.
    static Result<RunStatistics> enable();

  private:
    explicit RunStatistics(OwnedFd fd) : fd_(std::move(fd)) {}
    OwnedFd fd_;
};

// One BPF object; the head of this file tells its life.
class Object {
  public:
    // `elf` outlives the object. `name` is for messages.
    static Result<Object> open(std::string_view name, Bytes elf, const ObjectOptions& options = {});
    // The object keeps the bytes.
    static Result<Object> open(std::string_view name, std::vector<std::byte> elf,
                               const ObjectOptions& options = {});
    // Reads a file of at most 64 MiB; the file's name without directories and ".bpf.o" is the object's.
    static Result<Object> open_file(const std::string& path, const ObjectOptions& options = {});

    Object(Object&&) noexcept;
    Object& operator=(Object&&) noexcept;
    ~Object();

    // For messages, control characters escaped.
    const std::string& name() const;
    // In the file's order, as they are now; names are the file's own bytes: escape them before printing.
    std::vector<ObjectProgram> programs() const;
    // The same of its maps, those that hold globals included.
    std::vector<ObjectMap> maps() const;

    // Before load(): the value of a `const volatile` global in .rodata, or the first value of one in .data or
    // .bss. Unknown name (the nearest is named), wrong size or wrong type is an error.
    template <class T>
    Result<void> set_constant(std::string_view variable, const T& value) {
        return set_constant_bytes(variable, bytes_of(value), global_type<T>());
    }
    // The same from bytes.
    Result<void> set_constant_bytes(std::string_view variable, Bytes value,
                                    GlobalType type = GlobalType::any);
    // Before load(): how many entries a map holds; a ring's are bytes, a power of two of pages.
    Result<void> set_max_entries(std::string_view map, std::uint32_t entries);
    // Whether load() loads the program; a program in a section "?…" says no by itself.
    Result<void> set_autoload(std::string_view program, bool load);
    // Before load(): where the program will be attached. Kinds that the kernel must know when it loads
    // (tp_btf, fentry, fexit, lsm, iter, kprobe.multi) need this when the place is not the section's.
    Result<void> plan(std::string_view program, const AttachSpec& spec);

    // Loads the programs with autoload, attaches none. On failure nothing stays in the kernel, the object is
    // as before, and the error carries the cause.
    Result<void> load();
    // Loads and attaches by ladders. On failure nothing stays in the kernel and the error carries the
    // verifier's last words.
    Result<void> load(std::span<const Moment> moments);
    // Plans all, loads exactly these programs, attaches all; all or nothing.
    Result<void> start(std::span<const Plan> plans);
    // The same for one program and a spec's text.
    Result<void> start(std::string_view program, std::string_view spec);

    // After load(): attaches a loaded program, and gives the attachment's name: the spec's, or the program's,
    // with "#2" and so on behind where that is taken. Without a spec: where plan() said, else where its
    // section says.
    Result<std::string> attach(std::string_view program, const AttachSpec& spec = {});
    // The same from a spec's text.
    Result<std::string> attach(std::string_view program, std::string_view spec);
    // By the attachment's name, as attach() gave it; an unknown name gets the nearest.
    Result<void> detach(std::string_view attachment);
    // How many there were.
    std::size_t detach_all();
    // In the order they were made.
    std::vector<Attachment> attachments() const;

    // Detaches all, closes programs and maps, and gives how many; the object is as after open(), with the
    // globals, sizes, choices and plans that were set.
    Result<Unloaded> unload();

    // After load(): pins a map at `path`, in a BPF file system; unpin_map() removes that file.
    Result<void> pin_map(std::string_view map, const std::string& path);
    // Removes the file a map is pinned at; the map stays.
    Result<void> unpin_map(std::string_view map);

    // After load().
    const std::vector<HookUse>& hooks() const { return hooks_; }
    bool is_attached(std::string_view program) const;  // which rung of a ladder held
    Result<int> map_fd(std::string_view map) const;    // stays owned by the object
    // Of a loaded program; stays owned by the object.
    Result<int> program_fd(std::string_view program) const;
    Result<std::vector<int>> program_fds() const;  // of the programs that are attached
    // How often the kernel skipped an attached program because it was already running on that CPU.
    std::uint64_t missed_runs() const;
    // A fresh pass of an attached iterator program (SEC "iter/…"): reading the descriptor runs it and gives
    // what it wrote.
    Result<OwnedFd> iterate(std::string_view program) const;
    // A writable .bss or .data global, shared with the kernel; valid until unload() or destruction.
    template <class T>
    Result<volatile T*> global(std::string_view variable) {
        const Result<void*> found = global_bytes(variable, sizeof(T), global_type<T>());
        if (!found) return found.error();
        return static_cast<volatile T*>(*found);
    }
    // The value of any global, .rodata too: before load() the first value, after it the present one.
    template <class T>
    Result<T> value(std::string_view variable) const {
        static_assert(std::is_trivially_copyable_v<T>);
        std::byte bytes[sizeof(T)];
        if (auto read = read_global(variable, bytes, global_type<T>()); !read) return read.error();
        return waggle::load<T>(bytes);
    }
    // The same into bytes, as many as the global has.
    Result<void> read_global(std::string_view variable, std::span<std::byte> out,
                             GlobalType type = GlobalType::any) const;

    // libbpf's own, for what this class does not offer; stays owned by the object.
    bpf_object* libbpf() const;

  private:
    struct State;
    explicit Object(std::unique_ptr<State> state);
    static Result<Object> open_state(std::unique_ptr<State> state);
    Result<void*> global_bytes(std::string_view variable, std::size_t size, GlobalType type);

    std::unique_ptr<State> state_;
    std::vector<HookUse> hooks_;
};

}  // namespace waggle
