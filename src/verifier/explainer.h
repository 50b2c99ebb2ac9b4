// SPDX-License-Identifier: Apache-2.0
// How one rejection is put together; explain_rejection()'s own. explain.cpp reads the log, explain_register.cpp
// tells what the register at fault holds and what the source calls it, explain_class.cpp finds the class and the
// figures that follow from it, explain_place.cpp finds the line and says it all.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "verifier/code.h"
#include "verifier/history.h"
#include "verifier/log.h"
#include "verifier/words.h"
#include "waggle/verifier.h"

namespace waggle::kernel {

inline constexpr std::size_t longest_line = 4096;  // of a complaint; further text is no verifier's

inline constexpr std::int64_t most_rounds = 64;  // that a loop without an end is given

struct Match {
    const RejectionClass* rejection = nullptr;
    const RejectionPattern* pattern = nullptr;
    Facts facts;
};

class Explainer {
  public:
    Explainer(std::string_view log, const RejectionContext& context)
        : context_(context),
          words_(verifier_words(context.language)),
          log_(read_verifier_log(log)),
          history_(log_, context, words_) {}

    Rejection explain();

  private:
    const RejectionContext& context_;
    const VerifierWords& words_;
    VerifierLog log_;
    History history_;
    Rejection out_;
    Facts facts_;
    int last_ = -1, fault_ = -1;
    bool global_ = false;             // it points to a global variable
    std::int64_t first_element_ = 0;  // where in its object the register points, without what varies
    std::string reg_;
    Instruction code_;
    History::Path path_;
    int moved_ = -1;  // the event that added a number to the pointer, and the register it was in
    std::string moved_by_;
    std::optional<std::uint32_t> place_;
    std::optional<SourceLine> return_at_;

    std::string label(std::string_view name, const Facts& facts) const {
        return fill(text_named(words_.labels, name), facts).value_or("");
    }

    void set(std::string_view name, std::string_view value) {
        if (!value.empty()) facts_[std::string(name)] = value;
    }

    bool complains_of(std::string_view words) const;
    std::string stack_argument(std::int64_t number) const;
    std::string register_of_argument() const;
    void find_register();
    void gather();
    void advise();
    void gather_source_kind();
    void plain_verdict();
    void count_loop(std::int64_t rounds);
    void bound_rounds();
    int branches_behind(const SourceLine& line) const;
    std::string limited_for(const SourceLine& line) const;
    void gather_section();
    void set_line(std::string_view name, int event);
    std::string_view access() const;
    std::string written_name(int call) const;
    std::string_view caller_of_callback() const;
    std::string called_function() const;
    std::string_view kept_result() const;
    std::string_view field_of_context(const SourceLine& line) const;
    void gather_arguments();
    void gather_protection();
    void describe_held(std::string_view text);
    void bound_to_variable(const Held& held, std::int64_t width);
    std::string_view assigned_elsewhere(const SourceLine& fault) const;
    std::string_view used_in(std::string_view expression) const;
    std::string_view pointer_of_element(std::string_view expression) const;
    void name_register();
    void follow_index();
    Match classify() const;
    void derive_for_class(Facts& facts) const;
    void acquisition(Facts& facts) const;
    void derive();
    SourceLine line_of_loop() const;
    SourceLine line_of_place(std::uint32_t insn) const;
    SourceLine line_of_cast() const;
    SourceLine line_of_symbol() const;
    void derive_alignment(std::int64_t off);
    void derive_return();
    void find_return(const std::string& value);
    std::string expected_words(std::string_view expected) const;
    void derive_acquired();
    void keep_result(const SourceLine& line, std::string_view function);
    void going_on();
    void follow_to_end(int taken, const std::string& function);
    std::string release_statement() const;
    void place_release(int taken, const std::string& release);
    void say(const Match& match);
    std::string first_code(std::span<const std::string_view> texts) const;
    void place_code();
    void finish_place();
};

}  // namespace waggle::kernel
