// SPDX-License-Identifier: Apache-2.0
// CostMeter: the processor time that goes into what several queries share, by name: views, and relations that
// are read when they are opened. Whoever asks first computes them, and the others read what is there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace waggle::explain {

// Of the thread that asks: what others do meanwhile is no cost of the question. Of the whole process where
// what is asked works in threads of its own, as reading each network namespace does.
inline std::uint64_t processor_time_ns(clockid_t whose = CLOCK_THREAD_CPUTIME_ID) {
    timespec t{};
    clock_gettime(whose, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

class CostMeter {
  public:
    using Costs = std::map<std::string, std::uint64_t, std::less<>>;

    // While it lives, what is spent is spent on `name`; but for what is measured inside it.
    class Span {
      public:
        Span(CostMeter& meter, std::string_view name, clockid_t whose = CLOCK_THREAD_CPUTIME_ID)
            : meter_(meter),
              name_(name),
              whose_(whose),
              began_ns_(processor_time_ns(whose)),
              around_ns_(meter.inside_ns_) {
            meter_.inside_ns_ = 0;
        }
        Span(const Span&) = delete;
        Span& operator=(const Span&) = delete;
        ~Span() {
            const std::uint64_t whole_ns = std::max(processor_time_ns(whose_) - began_ns_, meter_.inside_ns_);
            const auto place = meter_.costs_.find(name_);
            std::uint64_t& cost =
                place != meter_.costs_.end() ? place->second : meter_.costs_[std::string(name_)];
            cost += whole_ns - meter_.inside_ns_;
            meter_.inside_ns_ = around_ns_ + whole_ns;
        }

      private:
        CostMeter& meter_;
        std::string_view name_;
        clockid_t whose_;
        std::uint64_t began_ns_;
        std::uint64_t around_ns_;
    };

    // What was spent since the last call, and on all together.
    Costs take() {
        inside_ns_ = 0;
        return std::exchange(costs_, {});
    }
    std::uint64_t total_ns() const { return inside_ns_; }

  private:
    Costs costs_;
    std::uint64_t inside_ns_ = 0;  // measured within the span that lives, or at all
};

}  // namespace waggle::explain
