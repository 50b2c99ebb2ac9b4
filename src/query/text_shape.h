// SPDX-License-Identifier: Apache-2.0
// The shape of a text: what stays of a command line, a path or a message when what changes from one time to
// the next is left out. Two runs of one program have one shape, whatever attempt, time stamp, port of the
// other side or temporary file their arguments name; another word makes another shape.
#pragma once

#include <string>
#include <string_view>

namespace waggle::explain {

// A run of digits (with a fraction, and with the hexadecimal number it belongs to) becomes '#'; a word of six
// or more that mixes capitals, small letters or digits as only a random name does becomes '*'.
//   "job --attempt=12 --log=/tmp/w.1699.log"   "job --attempt=# --log=/tmp/w.#.log"
//   "run /tmp/tmp.Xq3ZkP9aLm"                  "run /tmp/tmp.*"
//   "id 6f1c2d3e-aa00-4b12-9c3d-0123456789ab"  "id #"
std::string text_shape(std::string_view text);

}  // namespace waggle::explain
