/* The doctor's portable checks: terminal, memory, open files, cores, temporary folder. */
#include "cli/doctor_host.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cli/cli_json.h"
#include "cli/doctor_os.h"

#define MEM_LEAST      (16 * MIB)  /* of a machine */
#define MEM_OWN        (64 * MIB)  /* of the program beside the guest's, at the most */
#define ADDRESSES_OWN  (256 * MIB) /* and its address space, with its threads' */
#define FILES_LEAST    16          /* of a machine without disks */
#define FILES_EASY     64          /* of one with all the disks there can be */
#define SPACE_EASY     GIB
#define HOLE_FILE      (4 * MIB)
#define HOLE_FILE_DATA 4096

static bool host_utf8(void)
{
    bool utf8 = setlocale(LC_CTYPE, "") && !strcmp(nl_langinfo(CODESET), "UTF-8");

    setlocale(LC_CTYPE, "C"); /* as it was */
    return utf8;
}

void doctor_host_terminal(struct doctor *doctor, int fd)
{
    const char *term = getenv("TERM");
    bool utf8 = host_utf8(), named = term && *term && strcmp(term, "dumb") != 0;
    struct winsize size = { 0 };
    struct doctor_check *check;

    if (!isatty(fd)) {
        check =
            doctor_add(doctor, "terminal", DOCTOR_NOTE,
                       "standard input is none: a guest's console reads it as it comes, without "
                       "Ctrl-A commands");
        doctor_fact(check, "tty", json_false());
        return;
    }
    ioctl(fd, TIOCGWINSZ, &size);
    check =
        doctor_add(doctor, "terminal", DOCTOR_OK, "%ux%u characters, TERM is %s, %s", size.ws_col,
                   size.ws_row, term ? term : "not set", utf8 ? "UTF-8" : "not UTF-8");
    doctor_fact(check, "tty", json_true());
    doctor_fact(check, "columns", json_integer(size.ws_col));
    doctor_fact(check, "rows", json_integer(size.ws_row));
    doctor_fact(check, "term", cli_json_string(term ? term : ""));
    doctor_fact(check, "utf8", json_boolean(utf8));
    if (!named)
        doctor_way_out(check, "set TERM to the terminal's kind, such as xterm-256color");
    else if (!utf8)
        doctor_way_out(check, "set LC_ALL to a locale of UTF-8, such as C.UTF-8");
    else if (!size.ws_col || !size.ws_row)
        doctor_way_out(check, "tell its size: stty cols 80 rows 24");
    if (*check->way_out)
        check->verdict = DOCTOR_NOTE;
}

/* The largest --mem, as it is typed. */
static const char *host_mem_option(uint64_t bytes, char buf[DOCTOR_SIZE_MAX])
{
    if (bytes >= 10 * GIB)
        snprintf(buf, DOCTOR_SIZE_MAX, "%lluG", (unsigned long long)(bytes / GIB));
    else
        snprintf(buf, DOCTOR_SIZE_MAX, "%lluM", (unsigned long long)(bytes / MIB));
    return buf;
}

static uint64_t host_less(uint64_t val, uint64_t own)
{
    return val > own ? val - own : 0;
}

void doctor_host_memory(struct doctor *doctor)
{
    char available[DOCTOR_SIZE_MAX], total[DOCTOR_SIZE_MAX], size[DOCTOR_SIZE_MAX];
    struct doctor_os_memory memory;
    struct doctor_check *check;
    struct rlimit limit;
    uint64_t fits;
    int rc = doctor_os_memory(&memory);

    if (rc < 0) {
        doctor_add(doctor, "memory", DOCTOR_NOTE, "the system does not tell: %s", strerror(-rc));
        return;
    }
    check = doctor_add(doctor, "memory", DOCTOR_OK, "%s of %s available",
                       doctor_size(memory.available, available), doctor_size(memory.total, total));
    fits = host_less(memory.available, MEM_OWN);
    if (host_less(memory.limit, MEM_OWN) < fits) {
        fits = host_less(memory.limit, MEM_OWN);
        doctor_way_out(check, "this container has a limit of %s: give it more for more",
                       doctor_size(memory.limit, available));
    }
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        host_less(limit.rlim_cur, ADDRESSES_OWN) < fits) {
        fits = host_less(limit.rlim_cur, ADDRESSES_OWN);
        doctor_way_out(check, "this shell has a limit of %s of addresses: ulimit -v unlimited",
                       doctor_size(limit.rlim_cur, available));
    }
    doctor_fact(check, "total_bytes", cli_json_uint(memory.total));
    doctor_fact(check, "available_bytes", cli_json_uint(memory.available));
    doctor_fact(check, "fits_bytes", cli_json_uint(fits));
    check->stops = fits < MEM_LEAST;
    if (check->stops && !*check->way_out)
        doctor_way_out(check, "end other programs");
    check->verdict = check->stops ? DOCTOR_MISSING : *check->way_out ? DOCTOR_NOTE : DOCTOR_OK;
    snprintf(check->text + strlen(check->text), sizeof(check->text) - strlen(check->text),
             check->stops ? ": too little for any machine" : ", so --mem up to %s fits",
             host_mem_option(fits, size));
}

void doctor_host_files(struct doctor *doctor)
{
    struct doctor_check *check;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    check = doctor_add(doctor, "open-files", DOCTOR_OK, "at most %llu",
                       (unsigned long long)limit.rlim_cur);
    doctor_fact(check, "limit", cli_json_uint(limit.rlim_cur));
    if (limit.rlim_cur >= FILES_EASY)
        return;
    check->stops = limit.rlim_cur < FILES_LEAST;
    if (check->stops && !*check->way_out)
        doctor_way_out(check, "end other programs");
    check->verdict = check->stops ? DOCTOR_MISSING : DOCTOR_NOTE;
    doctor_way_out(check, "a machine needs %d, and 2 a disk: ulimit -n 1024", FILES_LEAST);
}

void doctor_host_cores(struct doctor *doctor)
{
    unsigned cores = doctor_os_cores();
    struct doctor_check *check =
        doctor_add(doctor, "cores", DOCTOR_OK, "%u; vCPUs beyond that (--smp) take turns", cores);

    doctor_fact(check, "count", json_integer(cores));
}

/* Does a file with a hole take less than its length? Any failure is a no. */
static bool host_has_holes(int fd)
{
    static const char data[HOLE_FILE_DATA] = { 1 };
    struct stat st;

    return ftruncate(fd, HOLE_FILE) == 0 &&
           fd_pwrite_full(fd, data, sizeof(data), HOLE_FILE / 2) == 0 && fstat(fd, &st) == 0 &&
           (uint64_t)st.st_blocks * 512 < HOLE_FILE;
}

void doctor_host_temp(struct doctor *doctor)
{
    const char *folder = getenv("TMPDIR");
    CLEANUP(fd_closep) int fd = fd_temp(NULL);
    struct doctor_check *check;
    char size[DOCTOR_SIZE_MAX];
    struct statvfs fs;
    uint64_t space;
    bool holes;

    if (!folder || !*folder)
        folder = "/tmp";
    if (fd < 0) {
        check = doctor_add(doctor, "temporary-folder", DOCTOR_MISSING,
                           "%.200s: %s; disks with overlay need one", folder, strerror(-fd));
        doctor_way_out(check, "set TMPDIR to another folder");
        return;
    }
    holes = host_has_holes(fd);
    space = fstatvfs(fd, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
    check = doctor_add(doctor, "temporary-folder",
                       holes && space >= SPACE_EASY ? DOCTOR_OK : DOCTOR_NOTE,
                       "%.200s: %s free, %s", folder, doctor_size(space, size),
                       holes ? "files may have holes" : "files have no holes");
    doctor_fact(check, "path", cli_json_string(folder));
    doctor_fact(check, "free_bytes", cli_json_uint(space));
    doctor_fact(check, "holes", json_boolean(holes));
    if (!holes)
        doctor_way_out(check, "a temporary layer takes the size of its disk there; set TMPDIR to "
                              "another folder");
    else if (space < SPACE_EASY)
        doctor_way_out(check, "temporary layers of disks lie there; set TMPDIR to another folder");
}
