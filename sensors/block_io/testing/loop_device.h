// SPDX-License-Identifier: Apache-2.0
// A disk of the test's own: a loop device over an unnamed image file; both go with the object or with the
// process.
#pragma once

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::sensors {

class LoopDevice {
  public:
    // The image lies in memory, or is a new file in `directory` without a name.
    static Result<std::unique_ptr<LoopDevice>> make(std::uint64_t bytes, const std::string& directory = {}) {
        auto device = std::make_unique<LoopDevice>();
        device->image_ =
            OwnedFd(directory.empty() ? ::memfd_create("waggle-image", MFD_CLOEXEC | MFD_ALLOW_SEALING)
                                      : ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
        if (!device->image_) return failed("make an image");
        const std::string block(1u << 20, 'w');
        for (std::uint64_t at = 0; at < bytes; at += block.size())
            if (::pwrite(device->image_.get(), block.data(), block.size(), static_cast<off_t>(at)) < 0)
                return failed("fill the image");
        const OwnedFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
        if (!control) return failed("open /dev/loop-control");
        // Another process can take the free number first: then the next one is asked for.
        for (int attempt = 0; attempt < 16; ++attempt) {
            const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
            if (number < 0) return failed("find a free loop device");
            device->name_ = fmt::format("loop{}", number);
            device->loop_ = OwnedFd(::open(device->path().c_str(), O_RDWR | O_CLOEXEC));
            if (!device->loop_) return failed("open " + device->path());
            loop_config config{};
            config.fd = static_cast<__u32>(device->image_.get());
            config.info.lo_flags =
                LO_FLAGS_AUTOCLEAR;  // goes with its last user, also when the test is killed
            if (::ioctl(device->loop_.get(), LOOP_CONFIGURE, &config) == 0) return device;
            if (errno != EBUSY) return failed("set up " + device->path());
        }
        return failed("find a free loop device");
    }

    const std::string& name() const { return name_; }  // loop3
    std::string path() const { return "/dev/" + name_; }
    int image_fd() const { return image_.get(); }

  private:
    static Error failed(const std::string& what) {
        return {fmt::format("cannot {}: {}", what, std::strerror(errno))};
    }

    OwnedFd image_;
    OwnedFd loop_;
    std::string name_;
};

// A loop device that keeps every write waiting between stall() and go_on(): its image lies in a file system
// that can be frozen, on a loop device in memory.
class StallingDevice {
  public:
    static Result<std::unique_ptr<StallingDevice>> make(std::uint64_t bytes) {
        auto below = LoopDevice::make(bytes + (32u << 20));
        if (!below) return below.error();
        auto device = std::make_unique<StallingDevice>();
        device->below_ = std::move(*below);
        std::string point = (std::filesystem::temp_directory_path() / "waggle-mount-XXXXXX").string();
        if (!::mkdtemp(point.data())) return Error{"cannot make a directory"};
        device->point_ = point;
        if (std::system(("mkfs.ext4 -q " + device->below_->path()).c_str()) != 0)
            return Error{"mkfs.ext4 failed"};
        if (::mount(device->below_->path().c_str(), point.c_str(), "ext4", 0, nullptr) != 0)
            return Error{fmt::format("cannot mount: {}", std::strerror(errno))};
        auto disk = LoopDevice::make(bytes, point);
        if (!disk) return disk.error();
        device->disk_ = std::move(*disk);
        device->root_ = OwnedFd(::open(point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ::syncfs(device->root_.get());
        return device;
    }

    StallingDevice() = default;
    StallingDevice(const StallingDevice&) = delete;
    StallingDevice& operator=(const StallingDevice&) = delete;
    ~StallingDevice() {
        go_on();
        disk_.reset();
        root_.reset();
        if (point_.empty()) return;
        ::umount2(point_.c_str(), MNT_DETACH);
        ::rmdir(point_.c_str());
    }

    bool stall() { return ::ioctl(root_.get(), FIFREEZE, 0) == 0; }
    void go_on() {
        if (root_) ::ioctl(root_.get(), FITHAW, 0);
    }
    const LoopDevice& disk() const { return *disk_; }

  private:
    std::unique_ptr<LoopDevice> below_;
    std::string point_;
    std::unique_ptr<LoopDevice> disk_;
    OwnedFd root_;
};

}  // namespace waggle::sensors
