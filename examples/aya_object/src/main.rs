// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//! Threads that take a new name, counted by process and sent as records: a BPF program as aya's crates write it.
#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid},
    macros::{map, raw_tracepoint},
    maps::{HashMap, RingBuf},
    programs::RawTracePointContext,
};

#[repr(C)]
pub struct RenameEvent {
    pub pid: u32,
    pub number: u32,
    pub old_name: [u8; 16],
}

#[map]
static RENAMES: HashMap<u32, u64> = HashMap::with_max_entries(1024, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

/// Only this process; 0: all. Set before the load.
#[no_mangle]
static ONLY_PID: u32 = 0;

#[raw_tracepoint(tracepoint = "task_rename")]
pub fn on_rename(_context: RawTracePointContext) -> i32 {
    let pid = (bpf_get_current_pid_tgid() >> 32) as u32;
    // Read as it stands at run time, not as it was compiled.
    let only = unsafe { core::ptr::read_volatile(&ONLY_PID) };
    if only != 0 && only != pid {
        return 0;
    }
    let number = match RENAMES.get_ptr_mut(&pid) {
        Some(count) => unsafe {
            *count += 1;
            *count
        },
        None => {
            let _ = RENAMES.insert(&pid, &1, 0);
            1
        }
    };
    if let Some(mut record) = EVENTS.reserve::<RenameEvent>(0) {
        let old_name = bpf_get_current_comm().unwrap_or_default();
        record.write(RenameEvent { pid, number: number as u32, old_name });
        record.submit(0);
    }
    0
}

#[no_mangle]
#[link_section = "license"]
static LICENSE: [u8; 4] = *b"GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}
