// SPDX-License-Identifier: Apache-2.0
// Who asks which name server, for which names, how long does it take, and what is the answer?
//
// Rows: `dns_total`, what was added since the last snapshot for one process and one server; `dns_failure`, a name
// that could not be found, and how often; `dns_waiting`, each second a question that still has no answer;
// `dns_lookup`, a question at its end (those with an answer in Mode::events only).
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source dns_source;

}  // namespace waggle::sensors
