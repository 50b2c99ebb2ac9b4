// SPDX-License-Identifier: Apache-2.0
#include "engine/attach/attachment_link.h"

#include <bpf/libbpf.h>

#include <utility>

namespace waggle::kernel {

AttachmentLink::AttachmentLink(AttachmentLink&& other) noexcept
    : links_(std::exchange(other.links_, {})),
      fds_(std::exchange(other.fds_, {})),
      undo_(std::exchange(other.undo_, nullptr)) {}

AttachmentLink& AttachmentLink::operator=(AttachmentLink&& other) noexcept {
    if (this != &other) {
        detach();
        links_ = std::exchange(other.links_, {});
        fds_ = std::exchange(other.fds_, {});
        undo_ = std::exchange(other.undo_, nullptr);
    }
    return *this;
}

void AttachmentLink::detach() {
    for (bpf_link* link : links_) bpf_link__destroy(link);
    links_.clear();
    fds_.clear();
    if (undo_) std::exchange(undo_, nullptr)();
}

int AttachmentLink::fd() const {
    if (!links_.empty()) return bpf_link__fd(links_.front());
    return fds_.empty() ? -1 : fds_.front().get();
}

}  // namespace waggle::kernel
