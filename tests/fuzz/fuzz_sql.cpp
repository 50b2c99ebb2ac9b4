// SPDX-License-Identifier: Apache-2.0
// Any bytes as a query: nothing is written, every parameter stays in its place, and what comes out can be
// shown.
#include <cstdlib>

#include "query/testing/tables.h"
#include "render/json.h"
#include "render/terminal.h"

using namespace waggle;
using namespace waggle::explain;

namespace {

struct World {
    Table drops{samples::drop_schema, 1 << 16};
    Sql sql = std::move(*Sql::open());

    World() {
        if (!sql.add(drops, {})) std::abort();
        sql.limit_time(std::chrono::milliseconds(20));
        for (std::uint32_t i = 0; i < 3; ++i)
            samples::append(drops, {.pid = i, .comm = "a'\x1b", .reason = i});
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static World world;
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const std::size_t end = std::min(text.find('\n'), text.size());
    const Sql::Parameter parameters[] = {{"x", samples::cell(text.substr(0, end))},
                                         {"n", samples::cell(std::int64_t{7})}};
    const std::string_view query = text.substr(std::min(end + 1, text.size()));
    const auto result = world.sql.query(query, parameters, 100);
    (void)world.sql.check(query);
    (void)world.sql.expand(query, parameters);
    if (result) {
        for (const char c : sinks::render_result(*result, {}))
            if (c == '\x1b') std::abort();
        (void)sinks::result_json_lines(*result);
    }
    // A text given as a parameter comes back as it was, bound and written out.
    const auto literal = world.sql.expand("SELECT CAST(:x AS BLOB)", parameters);
    if (!literal) std::abort();
    const auto written = world.sql.query(*literal);
    if (!written || written->rows.at(0).at(0).text != text.substr(0, end)) std::abort();
    if (world.sql.query("SELECT count(*) FROM drops")->rows.at(0).at(0).integer != 3) std::abort();
    return 0;
}
