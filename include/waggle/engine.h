// SPDX-License-Identifier: Apache-2.0
// All that an eBPF program's author needs: load objects, attach probes, read maps, consume events, and learn
// why the verifier refused. Link waggle::engine (find_package(waggle)).
#pragma once

#include "waggle/attach.h"
#include "waggle/bytes.h"
#include "waggle/coverage.h"
#include "waggle/events.h"
#include "waggle/map.h"
#include "waggle/object.h"
#include "waggle/owned_fd.h"
#include "waggle/perf_buffer.h"
#include "waggle/result.h"
#include "waggle/ring.h"
#include "waggle/support.h"
#include "waggle/types.h"
#include "waggle/verifier.h"
