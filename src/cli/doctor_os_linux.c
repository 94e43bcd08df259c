/*
 * What the doctor asks Linux: KVM, huge pages, and what the sandbox will stand on.
 *
 * Nothing is changed: /dev/kvm is opened and asked for its version, Landlock for its own, seccomp
 * is given a filter that it cannot read, and a user namespace is made by a child that ends.
 */
#include "cli/doctor_os_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define SMALL_FILE 4096 /* bytes that are read of files in /proc and /sys */

/* The text of a small file, with a NUL. Returns its length or -errno. */
static int linux_read(const char *path, char buf[SMALL_FILE])
{
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len;

    if (fd < 0)
        return -errno;
    do
        len = read(fd, buf, SMALL_FILE - 1);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return -errno;
    buf[len] = '\0';
    return (int)len;
}

/* A file that holds one number; `otherwise` where there is none. */
static long linux_number(const char *path, long otherwise)
{
    char text[SMALL_FILE], *end;
    long val;

    if (linux_read(path, text) < 0)
        return otherwise;
    val = strtol(text, &end, 10);
    return end == text ? otherwise : val;
}

static void kvm_no_permission(struct doctor *doctor, const char *path, enum doctor_verdict verdict)
{
    struct doctor_check *check;
    const struct group *group;
    struct stat st;

    if (stat(path, &st) < 0) {
        check = doctor_add(doctor, "kvm", verdict, "%s: no permission", path);
        doctor_way_out(check, "ask the host's administrator");
        return;
    }
    group = getgrgid(st.st_gid);
    check = doctor_add(doctor, "kvm", verdict, "%s: no permission (mode %03o, group %s)", path,
                       (unsigned)st.st_mode & 0777, group ? group->gr_name : "without a name");
    doctor_fact(check, "group", json_string(group ? group->gr_name : ""));
    if (group && st.st_mode & S_IWGRP)
        doctor_way_out(check, "join the group: usermod -aG %s USER, and log in again",
                       group->gr_name);
    else
        doctor_way_out(check, "ask the host's administrator");
}

void doctor_os_kvm(struct doctor *doctor, const char *path, const char *machine)
{
    bool arm64 = !strcmp(machine, "aarch64");
    /* Elsewhere no guest of ours would run on it. */
    enum doctor_verdict verdict = arm64 ? DOCTOR_MISSING : DOCTOR_NOTE;
    CLEANUP(fd_closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct doctor_check *check;
    int version;

    if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        kvm_no_permission(doctor, path, verdict);
        return;
    }
    if (fd < 0) {
        check = doctor_add(doctor, "kvm", verdict, "%s: %s", path, strerror(errno));
        if (arm64)
            doctor_way_out(check, "it needs a kernel with KVM that was started at EL2; in a "
                                  "virtual machine, nested virtualization");
        else
            doctor_way_out(check, "it would not help: guests are arm64, this host is %s", machine);
        return;
    }
    version = ioctl(fd, KVM_GET_API_VERSION, 0);
    if (version < 0) {
        doctor_add(doctor, "kvm", verdict, "%s: is not KVM: %s", path, strerror(errno));
        return;
    }
    check =
        doctor_add(doctor, "kvm", arm64 ? DOCTOR_OK : DOCTOR_NOTE, "%s: API version %d, %s%s", path,
                   version, arm64 ? "on an arm64 host" : "but this host is ", arm64 ? "" : machine);
    doctor_fact(check, "api_version", json_integer(version));
    if (!arm64)
        doctor_way_out(check, "KVM runs guests of the host's kind alone, and ours are arm64");
}

void doctor_os_huge_pages(struct doctor *doctor, const char *path)
{
    struct doctor_check *check;
    char text[SMALL_FILE], *mode = text, *end = NULL;

    if (linux_read(path, text) >= 0) {
        mode = strchr(text, '[');
        end = mode ? strchr(mode, ']') : NULL;
    }
    if (!end) {
        check =
            doctor_add(doctor, "huge-pages", DOCTOR_NOTE, "this kernel has no transparent ones");
        doctor_way_out(check, "guests boot slower, and forking one takes longer");
        return;
    }
    *end = '\0';
    mode++;
    if (strcmp(mode, "never") != 0) {
        check = doctor_add(doctor, "huge-pages", DOCTOR_OK,
                           "transparent, mode %s; guest memory is taken in pieces of 2 MiB", mode);
    } else {
        check = doctor_add(doctor, "huge-pages", DOCTOR_NOTE,
                           "transparent, mode never: guests boot slower, and forking one takes "
                           "longer");
        doctor_way_out(check, "as root: echo madvise >%s", path);
    }
    doctor_fact(check, "mode", json_string(mode));
}

static void linux_landlock(struct doctor *doctor)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct doctor_check *check;

    if (abi >= 1) {
        check = doctor_add(doctor, "landlock", DOCTOR_OK,
                           "ABI version %ld; for the sandbox to come, which keeps a machine to its "
                           "own files",
                           abi);
        doctor_fact(check, "abi_version", json_integer(abi));
        return;
    }
    check = doctor_add(doctor, "landlock", DOCTOR_MISSING,
                       "%s; the sandbox to come keeps a machine to its own files by it",
                       errno == EOPNOTSUPP ? "switched off" : "not in this kernel");
    if (errno == EOPNOTSUPP)
        doctor_way_out(check, "start the kernel with landlock in its list lsm=");
    else
        doctor_way_out(check, "take Linux 5.13 or newer, with CONFIG_SECURITY_LANDLOCK");
}

/* A filter at an address that is nobody's: where filters are known, the answer is EFAULT. */
static void linux_seccomp(struct doctor *doctor)
{
    struct doctor_check *check;

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) < 0 && errno == EFAULT) {
        doctor_add(doctor, "seccomp", DOCTOR_OK,
                   "filters of system calls; for the sandbox to come");
        return;
    }
    check = doctor_add(doctor, "seccomp", DOCTOR_MISSING,
                       "no filters of system calls; the sandbox to come needs them");
    doctor_way_out(check, "take a kernel with CONFIG_SECCOMP_FILTER");
}

/* 0 or the errno of making a user namespace, in a child that ends at once. */
static int linux_try_userns(void)
{
    pid_t child = fork(), got;
    int status;

    if (child < 0)
        return errno;
    if (child == 0)
        _exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
    do
        got = waitpid(child, &status, 0);
    while (got < 0 && errno == EINTR);
    return got == child && WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static void linux_userns(struct doctor *doctor)
{
    static const char restricted[] = "kernel.apparmor_restrict_unprivileged_userns";
    int code = linux_try_userns();
    struct doctor_check *check;

    if (code == 0 && geteuid() != 0 &&
        linux_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0)) {
        check = doctor_add(
            doctor, "user-namespaces", DOCTOR_NOTE,
            "AppArmor leaves them no rights, so larger guests cannot be made without root");
        doctor_way_out(check, "as root: sysctl %s=0", restricted);
        return;
    }
    if (code == 0) {
        doctor_add(doctor, "user-namespaces", DOCTOR_OK,
                   "can be made; larger guests are made without root in one");
        return;
    }
    check = doctor_add(doctor, "user-namespaces", DOCTOR_MISSING,
                       "none can be made (%s), so larger guests cannot be made without root",
                       strerror(code));
    if (linux_number("/proc/sys/user/max_user_namespaces", 1) == 0)
        doctor_way_out(check, "as root: sysctl user.max_user_namespaces=10000");
    else if (linux_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
        doctor_way_out(check, "as root: sysctl kernel.unprivileged_userns_clone=1");
    else
        doctor_way_out(check, "in a container, its manager must allow them");
}

int doctor_os_meminfo(const char *text, struct doctor_os_memory *ret_memory)
{
    const char *total = strstr(text, "MemTotal:"), *available = strstr(text, "MemAvailable:");
    unsigned long long total_kib, available_kib;

    if (!total || sscanf(total, "MemTotal: %llu kB", &total_kib) != 1 || !available ||
        sscanf(available, "MemAvailable: %llu kB", &available_kib) != 1)
        return -EINVAL;
    ret_memory->total = total_kib * KIB;
    ret_memory->available = available_kib * KIB;
    ret_memory->limit = UINT64_MAX;
    return 0;
}

uint64_t doctor_os_group_limit(const char *root, const char *group)
{
    char path[SMALL_FILE + 256], text[SMALL_FILE], *end;
    int at = snprintf(path, sizeof(path), "%s%s", root, group);
    uint64_t least = UINT64_MAX, limit;

    for (; at >= (int)strlen(root) && at < SMALL_FILE; at--) {
        if (at > (int)strlen(root) && path[at] && path[at] != '/')
            continue;
        snprintf(path + at, sizeof(path) - (size_t)at, "/memory.max");
        if (linux_read(path, text) < 0)
            continue;
        limit = strtoull(text, &end, 10); /* "max" is no number */
        if (end != text && limit < least)
            least = limit;
    }
    return least;
}

int doctor_os_memory(struct doctor_os_memory *ret_memory)
{
    char text[SMALL_FILE], *group;
    int rc = linux_read("/proc/meminfo", text);

    if (rc >= 0)
        rc = doctor_os_meminfo(text, ret_memory);
    if (rc < 0)
        return rc;
    if (linux_read("/proc/self/cgroup", text) >= 0 && (group = strstr(text, "0::/"))) {
        group += strlen("0::");
        group[strcspn(group, "\n")] = '\0';
        ret_memory->limit = doctor_os_group_limit("/sys/fs/cgroup", group);
    }
    return 0;
}

unsigned doctor_os_cores(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) /* fails above 1024 */
        return (unsigned)CPU_COUNT(&set);
    return online > 0 ? (unsigned)online : 1;
}

void doctor_os_add(struct doctor *doctor)
{
    struct utsname uts = { 0 };

    uname(&uts);
    doctor_os_kvm(doctor, "/dev/kvm", uts.machine);
    doctor_os_huge_pages(doctor, "/sys/kernel/mm/transparent_hugepage/enabled");
    linux_landlock(doctor);
    linux_seccomp(doctor);
    linux_userns(doctor);
}
