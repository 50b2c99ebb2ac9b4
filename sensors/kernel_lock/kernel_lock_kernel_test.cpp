// SPDX-License-Identifier: Apache-2.0
// Locks of the kernel that are held for as long as the test likes: a thread that holds one reads into a page that is not
// there, and goes on when the test gives the page (userfaultfd).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <semaphore>
#include <thread>
#include <vector>

#include "sensing/testing/rows.h"
#include "sensors/kernel_lock/kernel_lock.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

constexpr std::size_t page_bytes = 4096;
constexpr auto lock_patience = std::chrono::seconds(20);

// A page that is not there until it is given.
class MissingPage {
  public:
    MissingPage()
        : at_(::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
        fd_ = OwnedFd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
        uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
        uffdio_register wanted{};
        wanted.range = {reinterpret_cast<__u64>(at_), page_bytes};
        wanted.mode = UFFDIO_REGISTER_MODE_MISSING;
        works_ = at_ != MAP_FAILED && fd_ && ::ioctl(fd_.get(), UFFDIO_API, &api) == 0 &&
                 ::ioctl(fd_.get(), UFFDIO_REGISTER, &wanted) == 0;
    }
    ~MissingPage() { ::munmap(at_, page_bytes); }
    MissingPage(const MissingPage&) = delete;
    MissingPage& operator=(const MissingPage&) = delete;

    bool works() const { return works_; }
    void* at() const { return at_; }
    // Whether somebody came to it and waits.
    bool is_wanted() const {
        pollfd wait{fd_.get(), POLLIN, 0};
        uffd_msg message;
        return ::poll(&wait, 1, static_cast<int>(milliseconds(lock_patience).count())) == 1 &&
               ::read(fd_.get(), &message, sizeof message) == sizeof message;
    }
    void give() const {
        alignas(page_bytes) static const char empty[page_bytes] = {};
        uffdio_copy copy{};
        copy.dst = reinterpret_cast<__u64>(at_);
        copy.src = reinterpret_cast<__u64>(empty);
        copy.len = page_bytes;
        EXPECT_EQ(::ioctl(fd_.get(), UFFDIO_COPY, &copy), 0);
    }
    void take_away() const { EXPECT_EQ(::madvise(at_, page_bytes, MADV_DONTNEED), 0); }

  private:
    void* at_;
    OwnedFd fd_;
    bool works_ = false;
};

struct Waits {
    std::uint64_t waits = 0, wait_ns = 0, spin_ns = 0, given_up = 0, longest_ns = 0, waiting = 0,
                  in_histogram = 0;
};
// By process, kind of lock, function and lock.
struct Place {
    std::uint64_t pid;
    std::string type, function, lock;
    std::uint64_t address;
    auto operator<=>(const Place&) const = default;
};

class KernelLockKernel : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = std::filesystem::temp_directory_path() / "kernel_lock_XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override {
        std::filesystem::remove_all(directory_);
        if (!sensor_) return;
        // The programs' own maps have locks.
        for (const Loss& loss : sensor_->losses())
            EXPECT_TRUE(loss.count == 0 || loss.cause == "hook busy") << loss.cause << ": " << loss.count;
    }

    void start(bool own_only = true) {
        StartOptions options;
        if (own_only) options.filters = {{"pid", static_cast<std::uint32_t>(getpid())}};
        auto started = kernel_lock_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
        ASSERT_TRUE(sensor_->problems().empty()) << sensor_->problems()[0];
    }
    std::string name(const Row& row, const char* field, const char* dictionary) const {
        return std::string(names_.find(dictionary, row.u64(field)));
    }
    void take() {
        sensor_->snapshot([&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                Waits& waits = waits_[{row->u64("pid"), name(*row, "type", "kernel_lock_type"),
                                       name(*row, "function", "kernel_function"),
                                       name(*row, "lock", "kernel_lock"), row->u64("address")}];
                waits.waits += row->u64("waits");
                waits.wait_ns += row->u64("wait_ns");
                waits.spin_ns += row->u64("spin_ns");
                waits.given_up += row->u64("given_up");
                waits.longest_ns = std::max(waits.longest_ns, row->u64("longest_wait_ns"));
                waits.waiting = row->u64("waiting");
                waits.in_histogram += values_of(*row, "wait_histogram");
            }
        });
    }
    // All that fit, as one.
    Waits sum(const std::function<bool(const Place&)>& fits) const {
        Waits all;
        for (const auto& [place, waits] : waits_) {
            if (!fits(place)) continue;
            all.waits += waits.waits;
            all.wait_ns += waits.wait_ns;
            all.spin_ns += waits.spin_ns;
            all.given_up += waits.given_up;
            all.longest_ns = std::max(all.longest_ns, waits.longest_ns);
            all.waiting += waits.waiting;
            all.in_histogram += waits.in_histogram;
        }
        return all;
    }
    // Of this process.
    Waits sum(std::string_view type, std::string_view function = "") const {
        return sum([&](const Place& place) {
            return place.pid == static_cast<std::uint64_t>(getpid()) && place.type == type &&
                   place.function.find(function) != std::string::npos;
        });
    }
    // Reads until so many wait there.
    bool wait_until_waiting(std::uint64_t threads, std::string_view type, std::string_view function) {
        for (const auto until = steady_clock::now() + lock_patience; steady_clock::now() < until;) {
            take();
            if (sum(type, function).waiting == threads) return true;
            std::this_thread::sleep_for(milliseconds(5));
        }
        return false;
    }
    std::string new_file(const std::string& name) const {
        const std::string path = directory_ + "/" + name;
        std::ofstream(path) << std::string(page_bytes, 'x');
        return path;
    }

    Names names_;
    std::unique_ptr<Running> sensor_;
    std::map<Place, Waits> waits_;
    std::string directory_;
};

// Whoever reads a file holds the lock of its position, which is a mutex; the four others want it too.
TEST_F(KernelLockKernel, waits_are_those_that_the_threads_measure_and_each_is_counted_once) {
    const MissingPage page;
    ASSERT_TRUE(page.works()) << "no userfaultfd here";
    const OwnedFd file(::open(new_file("file").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file);
    start();
    std::thread holder([&] { EXPECT_EQ(::read(file.get(), page.at(), 1), 1); });
    ASSERT_TRUE(page.is_wanted());
    constexpr std::uint64_t threads = 4;
    constexpr std::uint64_t hold_ns = 200'000'000;
    std::atomic<std::uint64_t> measured{0}, longest{0};
    std::vector<std::thread> waiters;
    for (std::uint64_t i = 0; i < threads; ++i)
        waiters.emplace_back([&] {
            char byte;
            const auto before = steady_clock::now();
            EXPECT_EQ(::read(file.get(), &byte, 1), 1);
            const auto took = static_cast<std::uint64_t>(nanoseconds(steady_clock::now() - before).count());
            measured += took;
            for (auto most = longest.load(); most < took && !longest.compare_exchange_weak(most, took);) {
            }
        });
    const bool all_wait = wait_until_waiting(threads, "mutex", "fdget_pos");
    const Waits before = sum("mutex", "fdget_pos");
    std::this_thread::sleep_for(nanoseconds(hold_ns));
    take();
    const Waits open = sum("mutex", "fdget_pos");
    page.give();
    holder.join();
    for (std::thread& thread : waiters) thread.join();
    take();
    const Waits waits = sum("mutex", "fdget_pos");
    ASSERT_TRUE(all_wait);
    EXPECT_EQ(open.waits, 0u);
    EXPECT_GE(open.wait_ns, before.wait_ns + threads * hold_ns) << "a wait is counted while it goes on";
    EXPECT_EQ(waits.waits, threads);
    EXPECT_EQ(waits.in_histogram, threads);
    EXPECT_EQ(waits.waiting, 0u);
    EXPECT_EQ(waits.given_up, 0u);
    EXPECT_GE(waits.wait_ns, threads * hold_ns);
    EXPECT_LE(waits.wait_ns, measured);
    EXPECT_GE(waits.longest_ns, hold_ns);
    EXPECT_LE(waits.longest_ns, longest);
    EXPECT_LT(waits.spin_ns * 2, waits.wait_ns) << "the one that has it sleeps, so the others do";
}

// Whoever lists a directory holds its read-write semaphore to read; who makes a file in it wants it to write, and who lists
// it after that waits behind.
TEST_F(KernelLockKernel, one_lock_that_is_wanted_to_read_and_to_write_has_a_row_for_each_function) {
    const MissingPage page;
    ASSERT_TRUE(page.works()) << "no userfaultfd here";
    const std::string made = directory_ + "/made";
    start(false);
    const auto list = [&](void* into) {
        const OwnedFd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return ::syscall(SYS_getdents64, directory.get(), into, page_bytes);
    };
    std::thread holder([&] { EXPECT_GT(list(page.at()), 0); });
    ASSERT_TRUE(page.is_wanted());
    std::thread writer([&] { EXPECT_EQ(::mkdir(made.c_str(), 0700), 0); });
    bool is_behind = wait_until_waiting(1, "rwsem_write", "");
    const pid_t reader = ::fork();
    if (reader == 0) {
        char entries[page_bytes];
        list(entries);
        ::_exit(0);
    }
    const auto of_reader = [&](const Place& place) {
        return place.pid == static_cast<std::uint64_t>(reader) && place.type == "rwsem_read";
    };
    for (const auto until = steady_clock::now() + lock_patience; is_behind && sum(of_reader).waiting == 0;) {
        take();
        if (steady_clock::now() > until) is_behind = false;
    }
    ::kill(reader, SIGKILL);
    int status = 0;
    ::waitpid(reader, &status, 0);
    page.give();
    holder.join();
    writer.join();
    take();
    ASSERT_TRUE(is_behind);
    EXPECT_TRUE(WIFSIGNALED(status));
    std::uint64_t wanted_to_write = 0, wanted_to_read = 0;
    for (const auto& [place, waits] : waits_) {
        if (place.lock == "mmap_lock") continue;  // an allocator's threads can wait for it meanwhile
        if (place.pid == static_cast<std::uint64_t>(getpid()) && place.type == "rwsem_write") {
            EXPECT_EQ(place.function, "filename_create");
            EXPECT_EQ(waits.waits, 1u);
            EXPECT_EQ(waits.given_up, 0u);
            wanted_to_write = place.address;
        }
        if (of_reader(place)) {
            EXPECT_THAT(place.function, HasSubstr("iterate_dir"));
            EXPECT_EQ(waits.waits, 1u);
            EXPECT_EQ(waits.given_up, 1u) << "it was killed";
            EXPECT_EQ(waits.spin_ns, 0u);
            wanted_to_read = place.address;
        }
    }
    EXPECT_NE(wanted_to_write, 0u);
    EXPECT_EQ(wanted_to_write, wanted_to_read);
}

char state_of_thread(pid_t tid) {
    std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t name_ends = text.rfind(") ");
    return name_ends == std::string::npos ? '?' : text[name_ends + 2];
}

// More locks than there are rows: what finds none is counted together, and nothing is lost.
TEST_F(KernelLockKernel, more_locks_than_rows_are_counted_together) {
    constexpr std::uint64_t rows = 4096;  // of the kernel side
    constexpr std::uint64_t locks = rows + 50;
    const MissingPage page;
    ASSERT_TRUE(page.works()) << "no userfaultfd here";
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlimit wanted{locks + 200, std::max<rlim_t>(limit.rlim_max, locks + 200)};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &wanted), 0) << "a process may not open so many files here";
    const std::string path = new_file("file");
    std::vector<OwnedFd> files;
    for (std::uint64_t i = 0; i < locks; ++i) {
        files.emplace_back(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        ASSERT_TRUE(files.back());
    }
    start();
    std::atomic<pid_t> waiter_tid{0};
    std::atomic<bool> over{false};
    const auto read_all = [&](void* into, std::binary_semaphore& next, std::binary_semaphore& done) {
        for (const OwnedFd& file : files) {
            next.acquire();
            if (over) break;
            EXPECT_EQ(::read(file.get(), into, 1), 1);
            done.release();
        }
    };
    std::binary_semaphore hold{0}, held{0}, want{0}, had{0};
    std::thread holder([&] { read_all(page.at(), hold, held); });
    std::thread waiter([&] {
        waiter_tid = static_cast<pid_t>(::syscall(SYS_gettid));
        char byte;
        read_all(&byte, want, had);
    });
    std::uint64_t rounds = 0;
    for (const auto began = steady_clock::now();
         rounds < locks && steady_clock::now() - began < lock_patience; ++rounds) {
        hold.release();
        EXPECT_TRUE(page.is_wanted());
        want.release();
        // In uninterruptible sleep: for the mutex.
        const auto until = steady_clock::now() + lock_patience;
        while (state_of_thread(waiter_tid) != 'D' && steady_clock::now() < until)
            std::this_thread::sleep_for(std::chrono::microseconds(20));
        page.give();
        held.acquire();
        had.acquire();
        page.take_away();
    }
    over = true;
    hold.release();
    want.release();
    holder.join();
    waiter.join();
    take();
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const Waits own = sum("mutex", "fdget_pos");
    EXPECT_EQ(own.waits, rounds);
    if (rounds < locks) return;  // an emulated machine, or a busy one, does not come so far
    const Waits together = sum([](const Place& place) {
        return place.address == 0 && place.function.find("fdget_pos") != std::string::npos;
    });
    // Locks of other places can have rows of their own.
    EXPECT_GE(together.waits, locks - rows);
    EXPECT_LE(together.waits, locks - rows + 50);
}

// Threads of one process that map and unmap memory wait for its mmap_lock; interrupts and others are not counted to it.
TEST_F(KernelLockKernel, threads_that_map_memory_wait_for_the_lock_of_their_memory_map) {
    start();
    constexpr int threads = 6;
    constexpr auto length = milliseconds(1500);
    const auto began = steady_clock::now();
    std::vector<std::thread> mappers;
    for (int i = 0; i < threads; ++i)
        mappers.emplace_back([&] {
            while (steady_clock::now() - began < length) {
                constexpr std::size_t bytes = 256 * page_bytes;
                void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
                if (at != MAP_FAILED) ::munmap(at, bytes);
            }
        });
    for (std::thread& mapper : mappers) mapper.join();
    const auto all_ns =
        static_cast<std::uint64_t>(nanoseconds(steady_clock::now() - began).count()) * threads;
    take();
    const Waits all = sum([](const Place& place) { return place.lock == "mmap_lock"; });
    EXPECT_GE(all.waits, 1u);
    EXPECT_EQ(all.in_histogram, all.waits);
    EXPECT_LE(all.wait_ns, all_ns);
    EXPECT_LE(all.longest_ns, all_ns / threads);
    for (const auto& [place, waits] : waits_) {
        EXPECT_EQ(place.pid, static_cast<std::uint64_t>(getpid()));
        if (place.lock != "mmap_lock") continue;
        EXPECT_THAT(place.type, testing::StartsWith("rwsem_"));
        EXPECT_THAT(place.function,
                    testing::Not(testing::AnyOf("", HasSubstr("rwsem_"), HasSubstr("down_"))));
    }
}

// Threads that make and close descriptors spin for the lock of the table, where the kernel tells of it at all.
TEST_F(KernelLockKernel, who_spins_keeps_the_processor_busy_all_the_time) {
    start();
    constexpr int threads = 4;
    constexpr auto length = milliseconds(1000);
    const auto began = steady_clock::now();
    std::vector<std::thread> users;
    for (int i = 0; i < threads; ++i)
        users.emplace_back([&] {
            while (steady_clock::now() - began < length)
                if (const int fd = ::dup(STDERR_FILENO); fd >= 0) ::close(fd);
        });
    for (std::thread& user : users) user.join();
    const auto all_ns =
        static_cast<std::uint64_t>(nanoseconds(steady_clock::now() - began).count()) * threads;
    take();
    const Waits all = sum([](const Place& place) { return place.type == "spinlock"; });
    // The kernel tells of who stands in a spinlock's queue. The first that waits does not, unless its machine is a virtual one
    // that says so: with two processors there is no other.
    if (all.waits == 0) {
        EXPECT_LE(std::thread::hardware_concurrency(), 2u);
        return;
    }
    EXPECT_EQ(all.spin_ns, all.wait_ns);
    EXPECT_EQ(all.in_histogram, all.waits);
    EXPECT_EQ(all.waiting, 0u);
    EXPECT_LE(all.wait_ns, all_ns);
    const Waits of_table =
        sum([](const Place& place) { return place.type == "spinlock" && place.lock == "file_lock"; });
    EXPECT_GE(of_table.waits, 1u);
    for (const auto& [place, waits] : waits_)
        EXPECT_FALSE(place.type == "spinlock" && place.function.find("spin_lock") != std::string::npos)
            << place.function;
}

}  // namespace
}  // namespace waggle::sensors
