// SPDX-License-Identifier: Apache-2.0
#include "host/cgroup.h"

#include <gtest/gtest.h>

namespace waggle::context {
namespace {

constexpr std::string_view a = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr std::string_view b = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
constexpr std::string_view a12 = "0123456789ab";
constexpr std::string_view b12 = "fedcba987654";

// A and B in a path stand for two container ids.
std::string with_ids(std::string_view pattern) {
    std::string out;
    for (const char c : pattern)
        if (c == 'A')
            out += a;
        else if (c == 'B')
            out += b;
        else
            out += c;
    return out;
}

struct Case {
    std::string_view what;
    std::string_view path;
    std::string_view container;
    std::string_view runtime;
    std::string_view unit;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.what; }

class CgroupPath : public testing::TestWithParam<Case> {};

TEST_P(CgroupPath, says_container_runtime_and_unit) {
    const Case& one = GetParam();
    const CgroupIdentity found = identify_cgroup(with_ids(one.path));
    EXPECT_EQ(found.container, one.container);
    EXPECT_EQ(found.runtime, one.runtime);
    EXPECT_EQ(found.unit, one.unit);
    EXPECT_EQ(found.path, with_ids(one.path));
}

constexpr Case containers[] = {
    {"docker, cgroupfs", "/docker/A", a12, "docker", ""},
    {"docker, systemd", "/system.slice/docker-A.scope", a12, "docker", ""},
    {"docker below a chosen parent", "/batch/A", a12, "", ""},
    {"docker below a chosen slice", "/batch.slice/docker-A.scope", a12, "docker", ""},
    {"docker, a process that made a group below", "/docker/A/work/er", a12, "docker", ""},
    {"docker in docker", "/docker/A/docker/B", b12, "docker", ""},
    {"docker, systemd inside", "/docker/A/init.scope", a12, "docker", ""},
    {"docker, a service of the systemd inside", "/system.slice/docker-A.scope/system.slice/cron.service", a12,
     "docker", "cron.service"},
    {"docker, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-A.scope", a12,
     "docker", "user@1000.service"},
    {"ecs", "/ecs/0f3a2c/A", a12, "", ""},
    {"ecs, old form", "/ecs/A", a12, "docker", ""},
    {"containerd, cgroupfs, kubelet", "/kubepods/burstable/pod7d0f1a6e-0a47-4b0c-8f25-1d2c3b4a5e6f/A", a12,
     "", ""},
    {"containerd, systemd, kubelet",
     "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7d0f_1a6e.slice/cri-containerd-A.scope",
     a12, "containerd", ""},
    {"containerd, guaranteed pod", "/kubepods.slice/kubepods-pod7d0f_1a6e.slice/cri-containerd-A.scope", a12,
     "containerd", ""},
    {"containerd, mixed drivers",
     "/system.slice/containerd.service/kubepods-besteffort-pod7d0f.slice:cri-containerd:A", a12, "containerd",
     "containerd.service"},
    {"containerd, namespace k8s.io", "/k8s.io/A", a12, "containerd", ""},
    {"nerdctl", "/system.slice/nerdctl-A.scope", a12, "containerd", ""},
    {"cri-o, systemd",
     "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod7d.slice/crio-A.scope", a12, "cri-o",
     ""},
    {"cri-o, cgroupfs", "/kubepods/besteffort/pod7d/crio-A", a12, "cri-o", ""},
    {"cri-o, payload below", "/kubepods.slice/kubepods-pod7d.slice/crio-A.scope/container", a12, "cri-o", ""},
    {"cri-o's monitor is not in the container", "/kubepods.slice/kubepods-pod7d.slice/crio-conmon-A.scope",
     "", "", "crio-conmon-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope"},
    {"podman, systemd", "/machine.slice/libpod-A.scope", a12, "podman", ""},
    {"podman, payload below", "/machine.slice/libpod-A.scope/container", a12, "podman", ""},
    {"podman, cgroupfs", "/libpod_parent/libpod-A", a12, "podman", ""},
    {"podman, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-A.scope", a12,
     "podman", "user@1000.service"},
    {"podman, quadlet", "/system.slice/web.service/libpod-payload-A", a12, "podman", "web.service"},
    {"podman's monitor is not in the container", "/machine.slice/libpod-conmon-A.scope", "", "",
     "libpod-conmon-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope"},
    {"kind: a node in docker, its pod in containerd",
     "/docker/A/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod7d.slice/cri-containerd-B.scope",
     b12, "containerd", ""},
    {"seen from a cgroup namespace", "/../../docker/A", a12, "docker", ""},
};
INSTANTIATE_TEST_SUITE_P(Containers, CgroupPath, testing::ValuesIn(containers));

constexpr Case units[] = {
    {"a service", "/system.slice/nginx.service", "", "", "nginx.service"},
    {"a group made by the service", "/system.slice/nginx.service/workers", "", "", "nginx.service"},
    {"a template's instance", "/system.slice/system-getty.slice/getty@tty1.service", "", "",
     "getty@tty1.service"},
    {"an escaped instance", R"(/system.slice/system-systemd\x2dfsck.slice/systemd-fsck@dev-sda1.service)", "",
     "", "systemd-fsck@dev-sda1.service"},
    {"an escaped name", R"(/system.slice/dev-disk-by\x2duuid-1.swap)", "", "",
     R"(dev-disk-by\x2duuid-1.swap)"},
    {"a name that would clash with the kernel's", "/system.slice/_memory.service", "", "", "memory.service"},
    {"a socket", "/system.slice/dbus.socket", "", "", "dbus.socket"},
    {"a login", "/user.slice/user-0.slice/session-3.scope", "", "", "session-3.scope"},
    {"an application of a user",
     "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal-4.scope", "", "",
     "app-org.gnome.Terminal-4.scope"},
    {"a user's manager", "/user.slice/user-1000.slice/user@1000.service/init.scope", "", "",
     "user@1000.service"},
    {"the system's manager", "/init.scope", "", "", "init.scope"},
    {"a slice is no unit to restart", "/system.slice", "", "", ""},
    {"the root", "/", "", "", ""},
    {"a word that only ends like a unit", "/.service/service", "", "", ""},
    {"63 hexadecimal digits are no id",
     "/docker/123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "", "", ""},
    {"a unit with control characters", "/system.slice/a\x1b[31m.service", "", "", "a\x1b[31m.service"},
    {"only colons", "/::", "", "", ""},
    {"slashes", "//system.slice//x.service/", "", "", "x.service"},
};
INSTANTIATE_TEST_SUITE_P(Units, CgroupPath, testing::ValuesIn(units));

TEST(Cgroup, an_id_in_capitals_is_no_container) {
    std::string id(a);
    id[10] = 'A';
    EXPECT_EQ(identify_cgroup("/docker/" + id).container, "");
}

TEST(Cgroup, a_removed_group_keeps_its_name) {
    EXPECT_EQ(identify_cgroup("/system.slice/x.service (deleted)").unit, "x.service");
    EXPECT_EQ(identify_cgroup("/system.slice/x.service (deleted)").path, "/system.slice/x.service");
}

TEST(Cgroup, nothing_says_nothing) { EXPECT_EQ(identify_cgroup(""), CgroupIdentity{}); }

TEST(ProcCgroup, reads_version_2) {
    const CgroupIdentity found = identify_proc_cgroup("0::/system.slice/nginx.service\n");
    EXPECT_EQ(found.path, "/system.slice/nginx.service");
    EXPECT_EQ(found.unit, "nginx.service");
}

TEST(ProcCgroup, reads_version_1) {
    const CgroupIdentity found = identify_proc_cgroup(with_ids(
        "12:pids:/docker/A\n11:hugetlb:/docker/A\n4:cpu,cpuacct:/docker/A\n1:name=systemd:/docker/A\n"));
    EXPECT_EQ(found.container, a12);
    EXPECT_EQ(found.runtime, "docker");
}

TEST(ProcCgroup, prefers_the_unit_to_the_slice_in_a_hybrid_tree) {
    const CgroupIdentity found = identify_proc_cgroup(
        "5:memory:/system.slice\n4:cpuset:/\n1:name=systemd:/system.slice/ssh.service\n"
        "0::/system.slice/ssh.service\n");
    EXPECT_EQ(found.unit, "ssh.service");
}

TEST(ProcCgroup, prefers_the_container_to_the_longer_path) {
    const CgroupIdentity found = identify_proc_cgroup(with_ids(
        "2:memory:/docker/A\n0::/system.slice/containerd.service/a/very/long/path/that/only/says/who/started/"
        "it/and/nothing/else\n"));
    EXPECT_EQ(found.container, a12);
}

TEST(ProcCgroup, takes_the_longest_path_where_all_say_the_same) {
    const CgroupIdentity found =
        identify_proc_cgroup("9:name=systemd:/\n4:memory:/worker_pool/de3cb770\n3:cpuset:/\n0::/\n");
    EXPECT_EQ(found.path, "/worker_pool/de3cb770");
    EXPECT_EQ(found.container, "");
}

TEST(ProcCgroup, keeps_the_colons_of_the_path) {
    const CgroupIdentity found = identify_proc_cgroup(with_ids("0::/x.slice:cri-containerd:A\n"));
    EXPECT_EQ(found.path, with_ids("/x.slice:cri-containerd:A"));
    EXPECT_EQ(found.runtime, "containerd");
}

TEST(ProcCgroup, survives_what_is_no_cgroup_file) {
    EXPECT_EQ(identify_proc_cgroup(""), CgroupIdentity{});
    EXPECT_EQ(identify_proc_cgroup("\n\n::\n:\nhello"), CgroupIdentity{});
    EXPECT_EQ(identify_proc_cgroup("0:").path, "");
}

}  // namespace
}  // namespace waggle::context
