// SPDX-License-Identifier: Apache-2.0
// What rules read: the percentiles of the kernel's histograms, held to the single events and to fio's own. The findings
// themselves have their faults in lab/disk_*.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "sensors/block_io/testing/loop_device.h"
#include "tests/testing/command.h"

namespace waggle::sensors {
namespace {

using nlohmann::json;

std::string output_of(const std::string& command) { return test::outcome_of(command).text; }
std::string waggle(const std::string& arguments) { return output_of(test::waggle_command(arguments)); }

// What waggle's rows say of the reads that fio made, and what fio itself says: the time of its requests of
// which so many per cent took no longer.
struct Percentiles {
    static constexpr int shares[] = {50, 95, 99, 100};
    std::uint64_t requests = 0, single = 0, made = 0;  // counted, seen one by one, and by fio
    double counted_ns[4] = {}, exact_ns[4] = {}, fio_ns[4] = {};
};

Percentiles percentiles_of_fio(const std::string& device, const std::string& options) {
    const std::string ours =
        " FROM block_io_total WHERE comm = 'fio' AND operation = 'READ' AND device = '" + device + "'";
    std::string sql =
        "WITH e AS (SELECT device_ns, row_number() OVER (ORDER BY device_ns) AS place, count(*) OVER () AS "
        "n FROM block_io WHERE comm = 'fio' AND operation = 'READ' AND device = '" +
        device + "') SELECT (SELECT sum(requests)" + ours + ") AS requests, (SELECT max(n) FROM e) AS single";
    for (const int share : Percentiles::shares) {
        const std::string number = std::to_string(share);
        sql += ", (SELECT hist_percentile(device_histogram, " + number + " / 100.0)" + ours +
               ") AS counted_" + number + ", (SELECT device_ns FROM e WHERE place = (n * " + number +
               " + 99) / 100) AS exact_" + number;
    }
    std::string rows;
    // An emulated machine, or a program under the sanitizers, takes seconds until it counts; what ends before that is
    // of no window.
#ifdef WAGGLE_SANITIZED
    const bool slow = true;
#else
    const bool slow = std::getenv("WAGGLE_VM") != nullptr;
#endif
    const std::string watch = slow ? "query --for 25s" : "query --for 9s";
    std::thread watcher([&] { rows = waggle(watch + " --output json \"" + sql + "\" 2>/dev/null"); });
    std::this_thread::sleep_for(std::chrono::seconds(slow ? 12 : 3));
    const json fio =
        json::parse(output_of("fio --name=t --filename=/dev/" + device +
                              " --rw=randread --direct=1 --ioengine=libaio --norandommap --lat_percentiles=1"
                              " --percentile_list=50:95:99:100 --output-format=json " +
                              options),
                    nullptr, false);
    watcher.join();
    Percentiles out;
    const json row = json::parse(rows, nullptr, false);
    if (!row.is_object() || !fio.is_object() || !row["single"].is_number() || !row["requests"].is_number())
        return out;
    out.requests = row["requests"];
    out.single = row["single"];
    out.made = fio["jobs"][0]["read"]["total_ios"];
    for (std::size_t i = 0; i < std::size(Percentiles::shares); ++i) {
        const std::string number = std::to_string(Percentiles::shares[i]);
        out.counted_ns[i] = row["counted_" + number];
        out.exact_ns[i] = row["exact_" + number];
        out.fio_ns[i] = fio["jobs"][0]["read"]["lat_ns"]["percentile"][number + ".000000"];
    }
    out.fio_ns[3] = fio["jobs"][0]["read"]["lat_ns"]["max"];
    return out;
}

// fio's time of a request runs from its call to the moment when fio looks for the answer: the disk's time
// lies in it, so the percentiles lie in the same order, however busy the machine is. How near they are to
// each other depends on how soon fio gets a processor; ours are held to the single events of the same
// requests instead.
TEST(BlockIoRules, percentiles_of_the_histogram_are_those_of_the_single_events_and_within_fios) {
    auto made = LoopDevice::make(64u << 20);
    ASSERT_TRUE(made) << made.error().message;
    for (const char* how :
         {"--bs=4k --iodepth=1 --number_ios=1500", "--bs=256k --iodepth=8 --io_size=256m"}) {
        Percentiles found;
        // Where waggle starts late on a busy machine, or fio ends late, some requests are missing.
        for (int tries = 0; tries < 5 && (found.single == 0 || found.single != found.made); ++tries)
            found = percentiles_of_fio((*made)->name(), how);
        ASSERT_GE(found.made, 1000u);
        ASSERT_EQ(found.single, found.made);
        ASSERT_EQ(found.requests, found.made);
        for (std::size_t i = 0; i < std::size(Percentiles::shares); ++i) {
            const std::string which = std::string(how) + ", " + std::to_string(Percentiles::shares[i]) + " %";
            EXPECT_NEAR(found.counted_ns[i], found.exact_ns[i], std::max(0.032 * found.exact_ns[i], 8.0))
                << which;
            EXPECT_LT(found.counted_ns[i], 1.05 * found.fio_ns[i]) << which;
        }
    }
}

}  // namespace
}  // namespace waggle::sensors
