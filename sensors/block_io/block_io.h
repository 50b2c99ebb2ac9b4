// SPDX-License-Identifier: Apache-2.0
// Who makes the disks work, and how long does the work take?
//
// Rows: `block_io`, one for each request (Mode::events only); `block_io_total`, what a process did with a
// device since the last snapshot; `block_device`, every device that was used since waggle started, once a
// snapshot, also when it stands still, so that sum(busy_ns)/sum(covers_ns) is the share of time it was busy;
// `page_dirty_total`, who wrote into the cache what the kernel writes to the disk later.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source block_io_source;

}  // namespace waggle::sensors
