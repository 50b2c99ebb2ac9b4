// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of rules: refused with a place and a reason, or asked, never a crash.
#include <cstdlib>

#include "explain/rules.h"
#include "query/testing/tables.h"

using namespace waggle;
using namespace waggle::explain;

namespace {

struct World {
    Table drops{samples::drop_schema, 1 << 16};
    Table sysctls{samples::sysctl_schema, 1 << 16};
    Sql sql = std::move(*Sql::open());

    World() {
        if (!sql.add(drops, {}) || !sql.add(sysctls, {})) std::abort();
        sql.limit_time(std::chrono::milliseconds(20));
        samples::append(drops, {.pid = 7, .comm = "a'\x1b\n", .count = 5, .reason = 9, .port = 53});
        samples::append(sysctls, "net.core.rmem_max", 212992);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static World world;
    const RuleFile files[] = {{"f.yaml", {reinterpret_cast<const char*>(bytes), size}}};
    RuleBook book = RuleBook::load(files, world.sql);
    for (const std::string& problem : book.problems())
        if (!problem.starts_with("f.yaml:")) std::abort();
    Answer answer;
    book.ask(world.sql, "", answer);
    for (const Finding& finding : answer.findings)
        for (const char c : finding.what)
            if (c == '\x1b' && std::string_view(reinterpret_cast<const char*>(bytes), size).find("\x1b") ==
                                   std::string_view::npos)
                std::abort();
    return 0;
}
