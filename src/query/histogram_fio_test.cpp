// SPDX-License-Identifier: Apache-2.0
// Real latencies, and a second tool that says their percentiles: fio writes down how long each of its reads
// took, and what it makes of them itself. Both are of the same run, so it does not matter how busy the
// machine is.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "query/histogram.h"

namespace waggle::explain {
namespace {

struct FioRun {
    std::vector<std::uint64_t> latencies_ns;
    nlohmann::json told;  // "50.000000": nanoseconds, ...; and "max"
};

FioRun run_fio(const std::string& options) {
    std::string folder = (std::filesystem::temp_directory_path() / "waggle-fio-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string command = "cd " + folder +
                                " && fio --name=t --filename=image --size=16m --io_size=1g --norandommap"
                                " --lat_percentiles=1 --percentile_list=50:95:99 --write_lat_log=log"
                                " --output-format=json --output=told " +
                                options;
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    FioRun out;
    std::ifstream log(folder + "/log_lat.1.log"), told(folder + "/told");
    for (std::string line; std::getline(log, line);) {
        std::istringstream parts(line);  // time in ms, latency in ns, direction, ...
        std::uint64_t time_ms = 0, latency_ns = 0;
        char comma = 0;
        if (parts >> time_ms >> comma >> latency_ns) out.latencies_ns.push_back(latency_ns);
    }
    const nlohmann::json all = nlohmann::json::parse(told, nullptr, false);
    if (all.is_object()) {
        const nlohmann::json& latency = all["jobs"][0]["read"]["lat_ns"];
        out.told = latency["percentile"];
        out.told["max"] = latency["max"];
    }
    std::filesystem::remove_all(folder);
    return out;
}

TEST(HistogramOfFio, percentiles_of_real_latencies_are_within_five_per_cent_of_fios_own) {
    for (const char* how : {"--rw=randread --bs=4k --ioengine=psync --number_ios=5000",
                            "--rw=randread --bssplit=4k/60:1m/40 --ioengine=psync --number_ios=1000",
                            "--rw=randread --bs=64k --ioengine=libaio --iodepth=16 --number_ios=2000"}) {
        FioRun fio = run_fio(how);
        ASSERT_GE(fio.latencies_ns.size(), 1000u) << how;
        std::vector<std::uint32_t> counts(WAGGLE_HIST_SLOTS(4, 36));
        for (const std::uint64_t latency : fio.latencies_ns) waggle_hist_count(counts.data(), latency, 4, 36);
        const std::vector<std::uint64_t> slots(counts.begin(), counts.end());
        const Histogram histogram(HistogramForm::log_linear(4, 36), slots);
        ASSERT_EQ(histogram.total(), fio.latencies_ns.size());
        std::ranges::sort(fio.latencies_ns);
        for (const auto& [share, name] :
             {std::pair{0.5, "50.000000"}, {0.95, "95.000000"}, {0.99, "99.000000"}, {1.0, "max"}}) {
            const auto said = static_cast<double>(*histogram.percentile(share));
            const double fios = fio.told[name];
            const auto rank =
                static_cast<std::size_t>(std::ceil(share * static_cast<double>(fio.latencies_ns.size())));
            const auto exact = static_cast<double>(fio.latencies_ns[rank - 1]);
            RecordProperty(name, std::to_string(said / fios));
            EXPECT_NEAR(said, exact, std::max(0.032 * exact, 8.0)) << how << ", " << name;
            EXPECT_NEAR(said, fios, 0.05 * fios) << how << ", " << name;
        }
    }
}

}  // namespace
}  // namespace waggle::explain
