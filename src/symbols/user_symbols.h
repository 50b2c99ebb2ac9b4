// SPDX-License-Identifier: Apache-2.0
// UserSymbols: which function of a program or library stands at a place that is known by the file's build id and the
// byte in the file, so that the same code of many processes has one name, also when they are gone.
//
// Source: the files that running processes have mapped as code, found by the build id when a place is first asked for.
// Their symbols (.symtab, .dynsym) are read once. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace waggle::kernel {

class UserSymbols {
  public:
    explicit UserSymbols(std::string proc = "/proc") : proc_(std::move(proc)) {}

    // "waggle_probed+0x1a [unit_tests]"; "libc.so.6+0x9a120" where no function is known there; empty where no process
    // has the file. `returned_to`: a call returns to there, so the call itself is what is named.
    std::string at(std::string_view build_id, std::uint64_t offset, bool returned_to);
    // The same for an address of a process; empty where it is gone.
    std::string at(std::uint32_t pid, std::uint64_t address, bool returned_to);

    // Files are looked for again only after this; otherwise at most once.
    void look_again() { looked_ = false; }

  private:
    struct Function {
        std::uint64_t from;  // in the file
        std::uint64_t size;
        std::string name;
    };
    struct File {
        std::string name;
        std::string path;  // that opens it; empty once it was read
        std::vector<Function> functions;
        void read();
    };
    File* file(std::string_view build_id);
    void look();

    std::string proc_;
    std::map<std::string, File, std::less<>> files_;               // by build id
    std::map<std::string, std::string, std::less<>> ids_by_file_;  // device and inode: the build id, or empty
    bool looked_ = false;
};

}  // namespace waggle::kernel
