// SPDX-License-Identifier: Apache-2.0
#include "query/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>

namespace waggle::explain {
namespace {

using testing::ElementsAre;
using Line = Histogram::Line;

constexpr HistogramForm log2_form;
constexpr HistogramForm every_value = HistogramForm::log_linear(0, 64);
constexpr HistogramForm block_times = HistogramForm::log_linear(4, 36);
constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

Histogram counted(HistogramForm form, const std::vector<std::uint64_t>& values) {
    std::vector<std::uint64_t> slots(form.slots());
    for (const std::uint64_t value : values) ++slots[form.slot_of(value)];
    return {form, slots};
}

// The value of rank ceil(share * size) of sorted values, by whole numbers.
std::uint64_t exact(const std::vector<std::uint64_t>& sorted, std::size_t per_mille) {
    return sorted[std::max<std::size_t>(1, (sorted.size() * per_mille + 999) / 1000) - 1];
}

constexpr std::size_t asked_per_mille[] = {0, 1, 10, 50, 100, 250, 500, 750, 900, 950, 990, 999, 1000};

void expect_percentiles_within(double share_off, HistogramForm form, std::vector<std::uint64_t> values,
                               const char* what) {
    const Histogram histogram = counted(form, values);
    std::sort(values.begin(), values.end());
    for (const std::size_t per_mille : asked_per_mille) {
        const auto right = static_cast<double>(exact(values, per_mille));
        const auto said = static_cast<double>(*histogram.percentile(static_cast<double>(per_mille) / 1000));
        // Below 16 units a slot is one unit wide, and its middle is said.
        const double allowed = std::max(share_off * right, static_cast<double>(1u << form.unit) / 2);
        EXPECT_NEAR(said, right, allowed)
            << what << ", " << values.size() << " values, " << per_mille << " per mille";
    }
}

// 100,000 values each, as latencies in nanoseconds have them.
std::vector<std::uint64_t> drawn(const std::function<double(std::mt19937_64&)>& draw,
                                 std::size_t count = 100'000) {
    std::mt19937_64 random(11);
    std::vector<std::uint64_t> out(count);
    for (std::uint64_t& value : out)
        value = static_cast<std::uint64_t>(std::llround(std::max(draw(random), 0.0)));
    return out;
}

TEST(HistogramSql, percentiles_of_a_uniform_distribution_are_right_within_a_thirty_second) {
    for (const HistogramForm form : {block_times, every_value})
        for (const auto& [from, to] : {std::pair{0.0, 1000.0}, {1e3, 1e6}, {1e6, 1.1e6}, {0.0, 6e10}})
            expect_percentiles_within(0.032, form, drawn([&](auto& random) {
                                          return std::uniform_real_distribution(from, to)(random);
                                      }),
                                      "uniform");
}

TEST(HistogramSql, percentiles_of_an_exponential_distribution_are_right_within_a_thirty_second) {
    for (const double mean : {300.0, 26e3, 5e6, 1e9})
        expect_percentiles_within(0.032, block_times, drawn([&](auto& random) {
                                      return std::exponential_distribution(1 / mean)(random);
                                  }),
                                  "exponential");
}

TEST(HistogramSql, percentiles_of_a_bimodal_distribution_are_right_within_a_thirty_second) {
    // A cache that answers at once, and a disk behind it; the share of the disk is near the percentiles
    // asked.
    for (const double slow : {0.009, 0.011, 0.04, 0.06, 0.5})
        expect_percentiles_within(0.032, block_times, drawn([&](auto& random) {
                                      const bool is_slow = std::bernoulli_distribution(slow)(random);
                                      return std::normal_distribution(is_slow ? 8e6 : 90e3,
                                                                      is_slow ? 2e6 : 4e3)(random);
                                  }),
                                  "bimodal");
}

TEST(HistogramSql, percentiles_are_right_also_where_all_values_lie_at_one_end_of_a_slot) {
    for (std::uint64_t octave = 256; octave < std::uint64_t{1} << 35; octave *= 2)
        for (std::uint64_t step = 0; step < 16; ++step)
            for (const std::uint64_t value :
                 {octave + step * octave / 16, octave + (step + 1) * octave / 16 - 1}) {
                expect_percentiles_within(0.032, block_times, {value}, "one value");
                expect_percentiles_within(0.032, block_times, std::vector<std::uint64_t>(1000, value),
                                          "one value");
                expect_percentiles_within(0.032, every_value, std::vector<std::uint64_t>(10, value),
                                          "one value");
            }
}

TEST(HistogramSql, ranks_are_interpolated_inside_a_slot) {
    // One slot of 4,194,304 to 4,456,447 ns: its ends are out of bounds, what is between them rises with the
    // rank.
    std::vector<std::uint64_t> values;
    for (std::uint64_t value = 4'194'304; value < 4'456'448; value += 64) values.push_back(value);
    const Histogram one_slot = counted(block_times, values);
    EXPECT_LT(*one_slot.percentile(0.48), *one_slot.percentile(0.5));
    EXPECT_LT(*one_slot.percentile(0.5), *one_slot.percentile(0.52));
    // The 31st sixteenth may be said over all its width.
    values.clear();
    for (std::uint64_t value = 8'126'464; value < 8'388'608; value += 64) values.push_back(value);
    const Histogram narrow = counted(block_times, values);
    for (const std::size_t per_mille : {100, 250, 500, 750, 900})
        EXPECT_NEAR(static_cast<double>(*narrow.percentile(static_cast<double>(per_mille) / 1000)),
                    static_cast<double>(exact(values, per_mille)), 200.0);
}

TEST(HistogramSql, small_numbers_are_exact_where_the_unit_is_one) {
    std::vector<std::uint64_t> values;
    for (std::uint64_t value = 0; value < 32; ++value) values.push_back(value);
    const Histogram histogram = counted(every_value, values);
    for (const std::size_t per_mille : asked_per_mille)
        EXPECT_EQ(histogram.percentile(static_cast<double>(per_mille) / 1000), exact(values, per_mille));
}

TEST(HistogramSql, a_percentile_beyond_the_end_is_the_end) {
    const Histogram histogram = counted(block_times, {1000, std::uint64_t{1} << 37, std::uint64_t{1} << 60});
    EXPECT_EQ(histogram.percentile(1), std::int64_t{1} << 36);
    EXPECT_EQ(histogram.percentile(0.5), std::int64_t{1} << 36);
    EXPECT_LT(histogram.percentile(0.3), 1032);
}

TEST(HistogramSql, the_largest_numbers_have_percentiles) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << 62, std::uint64_t{1} << 63, std::numeric_limits<std::uint64_t>::max()}) {
        const auto said = counted(every_value, {value}).percentile(1);
        const double right = std::min(static_cast<double>(value), static_cast<double>(largest));
        EXPECT_NEAR(static_cast<double>(*said), right, 0.032 * right);
    }
    EXPECT_EQ(counted(log2_form, {std::uint64_t{1} << 63}).percentile(1), largest);
}

TEST(HistogramSql, by_powers_of_two_a_percentile_is_the_upper_bound_of_its_slot) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 50; ++round) {
        std::vector<std::uint64_t> values(1 + random() % 300);
        for (std::uint64_t& value : values) value = random() >> (25 + random() % 39);
        const Histogram histogram = counted(log2_form, values);
        std::sort(values.begin(), values.end());
        for (std::size_t percent = 0; percent <= 100; ++percent) {
            const std::size_t slot = log2_form.slot_of(exact(values, percent * 10));
            EXPECT_EQ(histogram.percentile(static_cast<double>(percent) / 100),
                      static_cast<std::int64_t>(log2_form.upper_bound(slot)))
                << values.size() << " values, " << percent << " %";
        }
    }
}

TEST(HistogramSql, an_empty_one_has_no_percentile_and_no_lines) {
    for (const Histogram& empty : {Histogram(), Histogram(block_times, std::vector<std::uint64_t>(465))}) {
        EXPECT_EQ(empty.percentile(0.5), std::nullopt);
        EXPECT_TRUE(empty.octaves(1).empty());
        EXPECT_TRUE(empty.octaves(16).empty());
        EXPECT_TRUE(empty.linear().empty());
        EXPECT_EQ(empty.total(), 0u);
    }
    EXPECT_EQ(Histogram().blob(), "");
}

TEST(HistogramSql, sums_stop_at_the_largest_number) {
    const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    Histogram sum(every_value, std::vector<std::uint64_t>{most - 1});
    ASSERT_TRUE(sum.add(Histogram(every_value, std::vector<std::uint64_t>{5, 7}).blob()));
    EXPECT_EQ(sum.octaves(1), (std::vector<Line>{{0, 0, most, false}, {1, 1, 7, false}}));
    EXPECT_EQ(sum.total(), most);
}

TEST(HistogramSql, merged_histograms_are_as_if_all_values_were_counted_in_one) {
    const std::vector<std::uint64_t> first =
        drawn([](auto& random) { return std::exponential_distribution(1e-5)(random); }, 1000);
    const std::vector<std::uint64_t> second =
        drawn([](auto& random) { return std::uniform_real_distribution(0.0, 9e10)(random); }, 1000);
    std::vector<std::uint64_t> both = first;
    both.insert(both.end(), second.begin(), second.end());
    const HistogramForm forms[] = {block_times, every_value, HistogramForm::log_linear(10, 40), log2_form};
    for (const HistogramForm& a : forms)
        for (const HistogramForm& b : forms) {
            Histogram merged;
            ASSERT_TRUE(merged.add(counted(a, first).blob()));
            ASSERT_TRUE(merged.add(counted(b, second).blob()));
            const bool by_octave = a.kind == HistogramForm::Kind::log2 || b.kind == HistogramForm::Kind::log2;
            const HistogramForm coarser =
                by_octave ? log2_form
                          : HistogramForm::log_linear(std::max(a.unit, b.unit), std::min(a.end, b.end));
            EXPECT_EQ(merged.form(), coarser);
            EXPECT_EQ(merged.total(), both.size());
            for (const double share : {0.5, 0.95, 0.99}) {
                const std::int64_t one = *counted(coarser, both).percentile(share);
                if (!by_octave) {
                    EXPECT_EQ(merged.percentile(share), one);
                } else {
                    // What lies below one unit counts as one unit.
                    EXPECT_GE(merged.percentile(share), one);
                    EXPECT_LE(*merged.percentile(share),
                              std::max<std::int64_t>(one, 1 << std::max(a.unit, b.unit)));
                }
            }
        }
}

TEST(HistogramSql, an_empty_histogram_does_not_make_another_coarser) {
    Histogram sum = counted(block_times, {1000, 2000});
    ASSERT_TRUE(sum.add(""));
    ASSERT_TRUE(sum.add(std::string(36 * 8, '\0')));
    EXPECT_EQ(sum.form(), block_times);
}

TEST(HistogramSql, what_is_no_histogram_is_not_added) {
    Histogram sum;
    EXPECT_FALSE(sum.add("1234567"));
    std::string cut = counted(block_times, {1000, 1u << 30}).blob();
    cut.pop_back();
    EXPECT_FALSE(sum.add(cut));
    EXPECT_EQ(sum.total(), 0u);
}

TEST(HistogramSql, lines_follow_octaves) {
    const Histogram times = counted(block_times, {1030, 1030, 1500, 5000});
    EXPECT_THAT(times.octaves(1), ElementsAre(Line{1024, 2047, 3, false}, Line{2048, 4095, 0, false},
                                              Line{4096, 8191, 1, false}));
    EXPECT_THAT(times.octaves(2), ElementsAre(Line{1024, 1535, 3, false}, Line{1536, 4095, 0, false},
                                              Line{4096, 6143, 1, false}));
    EXPECT_THAT(times.octaves(16), ElementsAre(Line{1024, 1087, 2, false}, Line{1088, 1471, 0, false},
                                               Line{1472, 1535, 1, false}, Line{1536, 4863, 0, false},
                                               Line{4864, 5119, 1, false}));
    // A histogram by powers of two has no finer lines.
    EXPECT_THAT(
        counted(log2_form, {1030, 1500, 5000}).octaves(16),
        ElementsAre(Line{1024, 2047, 2, false}, Line{2048, 4095, 0, false}, Line{4096, 8191, 1, false}));
    EXPECT_THAT(counted(block_times, {3, 20, std::uint64_t{1} << 40}).octaves(4).back(),
                (Line{std::uint64_t{1} << 36, std::numeric_limits<std::uint64_t>::max(), 1, true}));
}

TEST(HistogramSql, the_last_line_goes_on_to_its_end) {
    Histogram sum;
    ASSERT_TRUE(sum.add(counted(block_times, {4100, 5000}).blob()));
    EXPECT_THAT(sum.octaves(1), ElementsAre(Line{4096, 8191, 2, false}));
    EXPECT_THAT(sum.octaves(4), ElementsAre(Line{4096, 5119, 2, false}));
    EXPECT_THAT(sum.octaves(16), ElementsAre(Line{4096, 4351, 1, false}, Line{4352, 4863, 0, false},
                                             Line{4864, 5119, 1, false}));
}

TEST(HistogramSql, lines_hold_every_value_once_and_meet) {
    const std::vector<std::uint64_t> values =
        drawn([](auto& random) { return std::exponential_distribution(1e-5)(random); }, 5000);
    for (const HistogramForm form : {block_times, every_value, log2_form}) {
        const Histogram histogram = counted(form, values);
        for (const auto& lines : {histogram.octaves(1), histogram.octaves(2), histogram.octaves(4),
                                  histogram.octaves(8), histogram.octaves(16), histogram.linear()}) {
            std::uint64_t sum = 0;
            for (std::size_t i = 0; i < lines.size(); ++i) {
                std::uint64_t inside = 0;
                for (const std::uint64_t value : values)
                    inside += value >= lines[i].from && value <= lines[i].to;
                EXPECT_EQ(lines[i].count, inside);
                sum += lines[i].count;
                if (i > 0) {
                    EXPECT_EQ(lines[i - 1].to + 1, lines[i].from);
                }
            }
            EXPECT_EQ(sum, values.size());
        }
    }
}

TEST(HistogramSql, linear_lines_are_equally_wide_up_to_the_99th_percentile) {
    std::vector<std::uint64_t> values;
    for (std::uint64_t value = 1; value <= 1000; ++value) values.push_back(value * 1000);
    values.push_back(50'000'000);
    values.push_back(std::uint64_t{1} << 40);
    const std::vector<Line> lines = counted(block_times, values).linear();
    ASSERT_GE(lines.size(), 17u);
    ASSERT_LE(lines.size(), 34u);
    for (std::size_t i = 0; i + 1 < lines.size(); ++i)
        EXPECT_EQ(lines[i].to - lines[i].from, lines[0].to - lines[0].from);
    EXPECT_TRUE(lines.back().open);
    EXPECT_EQ(counted(every_value, {1, 2, 2, 3}).linear(),
              (std::vector<Line>{{1, 1, 1, false}, {2, 2, 2, false}, {3, 3, 1, false}}));
    EXPECT_EQ(
        counted(block_times, {std::uint64_t{1} << 40}).linear(),
        (std::vector<Line>{{std::uint64_t{1} << 36, std::numeric_limits<std::uint64_t>::max(), 1, true}}));
}

}  // namespace
}  // namespace waggle::explain
