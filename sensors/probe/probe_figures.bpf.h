/* SPDX-License-Identifier: GPL-2.0 */
/* What a figure or a text is at this moment, and whether the conditions hold. What is asked for stands in constants,
 * so the kernel's verifier follows the one way that is used and the rest is never run. */
#pragma once

/* Where an event is put together. */
struct place {
    __u64 taken;
    __u64 record; /* the address of a tracepoint's record */
    __u64 unread; /* a figure's memory could not be read since this was 0 */
    struct probe_key key;
    char text[2 * PROBE_TEXT_MAX]; /* at work, with room behind */
    struct probe_event event;
};

static __always_inline long read_at(void* to, __u32 bytes, __u64 from) {
    if ((__s64)from >= 0) /* the lower half is the process's own memory */
        return bpf_probe_read_user(to, bytes, (const void*)from);
    return bpf_probe_read_kernel(to, bytes, (const void*)from);
}

/* Gives the length with its 0; below 0 where the memory could not be read. */
static __always_inline long read_text_at(char* to, __u32 room, __u64 from) {
    if ((__s64)from < 0) return bpf_probe_read_kernel_str(to, room, (const void*)from);
    return waggle_user_text(to, room, (const void*)from);
}

static __always_inline __u64 shortened(__u64 value, const volatile struct probe_figure* figure) {
    __u32 bits = 64 - ((__u32)figure->size << 3);
    if (bits > 56) return value;
    value <<= bits;
    return figure->is_signed ? (__u64)((__s64)value >> bits) : value >> bits;
}

static __always_inline __u64 in_record(struct probe_event* event, __u32 at) {
    const __u32 last = PROBE_CONTEXT_MAX - 8;
    __u64 value = 0;
    bpf_probe_read_kernel(&value, sizeof value, &event->context[at < last ? at : last]);
    return at > last ? value >> ((at - last) * 8 & 63) : value;
}

static __always_inline __u64 source_of(struct place* place, const volatile struct probe_figure* figure) {
    struct probe_event* event = &place->event;
    __u32 at = figure->at;
    switch (figure->source) {
        case PROBE_ARGUMENT:
            return at < PROBE_ARGUMENTS ? event->arguments[at] : 0;
        case PROBE_CONTEXT:
            return in_record(event, at);
        case PROBE_RETURN:
            return event->returned;
        case PROBE_LATENCY:
            return event->latency_ns;
        case PROBE_PID:
            return event->header.pid;
        case PROBE_TID:
            return event->header.tid;
        case PROBE_UID:
            return (__u32)bpf_get_current_uid_gid();
        case PROBE_CPU:
            return event->cpu;
        case PROBE_PLACE:
            return event->place;
        case PROBE_RECORD:
            return place->record + at;
        case PROBE_DATA_LOC:
            return place->record + (in_record(event, at) & 0xffff);
        case PROBE_REL_LOC:
            return place->record + at + 4 + (in_record(event, at) & 0xffff);
    }
    return 0;
}

static __always_inline __u64 figure_of(struct place* place, const volatile struct probe_figure* figure) {
    __u64 value = source_of(place, figure);
    __u32 hops = figure->hops;
    for (__u32 i = 0; i < PROBE_HOPS; i++) {
        if (i >= hops) break;
        value += figure->hop[i];
        _Bool is_last = i + 1 == hops;
        if (is_last && figure->stays) return value;
        __u64 there = 0;
        __u32 bytes = is_last ? figure->size : 8;
        if (bytes > 8 || read_at(&there, bytes, value)) {
            place->unread = 1;
            return 0;
        }
        value = there;
    }
    return shortened(value, figure);
}

/* The texts of a list, with a blank between them. Gives the length with its 0. */
static __always_inline long read_list(struct place* place, __u64 from) {
    __u32 length = 0;
    for (__u32 i = 0; i < PROBE_LIST_MAX; i++) {
        __u64 text = 0;
        if (read_at(&text, sizeof text, from + 8 * i)) return i ? (long)length : -1;
        if (!text || length >= PROBE_TEXT_MAX - 1) break;
        if (length) place->text[(length - 1) & (PROBE_TEXT_MAX - 1)] = ' ';
        long more = read_text_at(&place->text[length & (PROBE_TEXT_MAX - 1)], PROBE_TEXT_MAX, text);
        if (more <= 0) break;
        length += more;
    }
    if (!length) place->text[0] = 0, length = 1;
    return length;
}

/* What stands behind the address of its family is nothing, and would make two keys of one. */
static __always_inline long read_socket_address(char* to, __u32 room, __u64 from) {
    enum { unix_family = 1, ipv4_family = 2, ipv6_family = 10, ipv4_bytes = 8, ipv6_bytes = 28 };
    __u16 family = 0;
    if (read_at(&family, sizeof family, from)) return -1;
    __builtin_memcpy(to, &family, sizeof family);
    if (family == ipv4_family) return read_at(to, ipv4_bytes, from) ? -1 : 1;
    if (family == ipv6_family) return read_at(to, ipv6_bytes, from) ? -1 : 1;
    if (family != unix_family) return 1;
    long length = read_text_at(to + 2, room - 2, from + 2);
    if (length == 1) read_text_at(to + 3, room - 3, from + 3); /* a name that is no path begins with 0 */
    return length < 0 ? -1 : 1;
}

static __always_inline void make_empty(char* to, __u32 room) {
    __builtin_memset(to, 0, PROBE_KEY_TEXT_MAX);
    if (room > PROBE_KEY_TEXT_MAX)
        __builtin_memset(to + PROBE_KEY_TEXT_MAX, 0, PROBE_TEXT_MAX - PROBE_KEY_TEXT_MAX);
}

/* Gives the length with its 0; below 1 where the memory could not be read, and then `to` is PROBE_NOT_READ. */
static __always_inline long read_text(struct place* place, const volatile struct probe_figure* figure,
                                      char* to, __u32 room) {
    long length;
    if (figure->source == PROBE_COMM) return bpf_probe_read_kernel_str(to, room, place->event.header.comm);
    __u64 from = figure_of(place, figure);
    if (figure->text == PROBE_LIST) {
        length = read_list(place, from);
        if (length > 0 && to != place->text) bpf_probe_read_kernel_str(to, room, place->text);
    } else if (figure->text == PROBE_BYTES) {
        __u32 bytes = figure->size;
        if (bytes > room) bytes = room;
        make_empty(to, room);
        length = read_at(to, bytes, from) ? -1 : 1;
    } else if (figure->text == PROBE_SOCKADDR) {
        make_empty(to, room);
        length = read_socket_address(to, room, from);
    } else {
        length = read_text_at(to, room, from);
    }
    if (length < 1) __builtin_memcpy(to, PROBE_NOT_READ, sizeof PROBE_NOT_READ);
    return length;
}

/* Whether the text is what the pattern says: 1 or 0; below 0 where it could not be read. */
static __always_inline int is_pattern(struct place* place, const volatile struct probe_condition* condition) {
    long length = read_text(place, &condition->figure, place->text, PROBE_TEXT_MAX);
    const char* pattern = (const char*)condition->pattern;
    __u32 wanted = condition->length;
    if (length < 1) return -1;
    length--;
    if (!wanted) return condition->match != PROBE_WHOLE || length == 0;
    switch (condition->match) {
        case PROBE_WHOLE:
            return bpf_strncmp(place->text, wanted + 1, pattern) == 0;
        case PROBE_BEGIN:
            return bpf_strncmp(place->text, wanted, pattern) == 0;
        case PROBE_END:
            if (length < wanted) return 0;
            return bpf_strncmp(&place->text[(length - wanted) & (PROBE_TEXT_MAX - 1)], wanted, pattern) == 0;
        case PROBE_ANYWHERE:
            for (__u32 i = 0; i < PROBE_TEXT_MAX; i++) {
                if (i + wanted > length) break;
                if (bpf_strncmp(&place->text[i], wanted, pattern) == 0) return 1;
            }
    }
    return 0;
}

static __always_inline _Bool holds(struct place* place, const volatile struct probe_condition* condition) {
    if (condition->figure.text != PROBE_NUMBER) {
        int is = is_pattern(place, condition);
        return is >= 0 && is == (condition->comparison == PROBE_EQUAL);
    }
    place->unread = 0;
    __u64 left = figure_of(place, &condition->figure), right = condition->value;
    if (place->unread) return 0; /* what is not known holds no comparison, whichever way round */
    _Bool with_sign = condition->figure.is_signed;
    switch (condition->comparison) {
        case PROBE_EQUAL:
            return left == right;
        case PROBE_UNEQUAL:
            return left != right;
        case PROBE_LESS:
            return with_sign ? (__s64)left < (__s64)right : left < right;
        case PROBE_AT_MOST:
            return with_sign ? (__s64)left <= (__s64)right : left <= right;
        case PROBE_MORE:
            return with_sign ? (__s64)left > (__s64)right : left > right;
        case PROBE_AT_LEAST:
            return with_sign ? (__s64)left >= (__s64)right : left >= right;
        case PROBE_HAS_BIT:
            return (left & right) != 0;
        case PROBE_LACKS_BIT:
            return (left & right) == 0;
    }
    return 0;
}

static __always_inline _Bool all_hold(struct place* place,
                                      const volatile struct probe_condition* conditions) {
    _Bool all = 1;
    for (int i = 0; i < PROBE_CONDITIONS; i++) {
        const volatile struct probe_condition* condition = &conditions[i];
        if (condition->comparison == PROBE_ALWAYS) break;
        if (condition->alternative) {
            if (all) return 1;
            all = 1;
        }
        if (all) all = holds(place, condition);
    }
    return all;
}
