// SPDX-License-Identifier: Apache-2.0
// AttachmentLink: what keeps one attachment in the kernel. Destroying it detaches.
#pragma once

#include <functional>
#include <vector>

#include "waggle/owned_fd.h"

struct bpf_link;

namespace waggle::kernel {

class AttachmentLink {
  public:
    AttachmentLink() = default;
    explicit AttachmentLink(bpf_link* link) : links_{link} {}
    explicit AttachmentLink(OwnedFd link) { fds_.push_back(std::move(link)); }
    // For what the kernel keeps without a link: `undo` takes it away.
    explicit AttachmentLink(std::function<void()> undo) : undo_(std::move(undo)) {}
    AttachmentLink(AttachmentLink&& other) noexcept;
    AttachmentLink& operator=(AttachmentLink&& other) noexcept;
    ~AttachmentLink() { detach(); }

    void add(bpf_link* link) { links_.push_back(link); }
    void detach();
    // Of the first link; -1 where there is none.
    int fd() const;
    std::size_t count() const { return links_.size() + fds_.size(); }

  private:
    std::vector<bpf_link*> links_;
    std::vector<OwnedFd> fds_;
    std::function<void()> undo_;
};

}  // namespace waggle::kernel
