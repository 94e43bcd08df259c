/*
 * Two Linux guests in one process, each with a copy-on-write layer over the same image: pair KERNEL
 * INITRAMFS IMAGE. Prints "pair: ok" at the end, or what went wrong.
 */
#include <ignition.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT "root@ignition:~# "

struct guest {
    struct ign_machine *machine;
    const char *name;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    char out[1 << 20]; /* from the console; what was looked at is cut off */
    size_t len;
    bool ended;
};

static void pair_fail(const struct guest *guest, const char *what, const char *why)
{
    fprintf(stderr, "pair: %s: %s: %s\n%.*s\n", guest->name, what, why, (int)guest->len,
            guest->out);
    exit(1);
}

static void pair_on_console(void *ctx, const void *data, size_t len)
{
    struct guest *guest = ctx;

    pthread_mutex_lock(&guest->lock);
    if (len >= sizeof(guest->out) - guest->len)
        pair_fail(guest, "console", "more than a megabyte");
    memcpy(guest->out + guest->len, data, len);
    guest->len += len;
    guest->out[guest->len] = '\0';
    pthread_cond_broadcast(&guest->cond);
    pthread_mutex_unlock(&guest->lock);
}

static void pair_on_exit(void *ctx, enum ign_end end, const char *reason)
{
    struct guest *guest = ctx;

    pthread_mutex_lock(&guest->lock);
    guest->ended = true;
    pthread_cond_broadcast(&guest->cond);
    pthread_mutex_unlock(&guest->lock);
    if (end != IGN_END_OFF)
        pair_fail(guest, "end", reason);
}

/* Wait for text on the console, and forget all up to its end. */
static void pair_expect(struct guest *guest, const char *text)
{
    char *at;

    pthread_mutex_lock(&guest->lock);
    while (!(at = strstr(guest->out, text)) && !guest->ended)
        pthread_cond_wait(&guest->cond, &guest->lock);
    if (!at)
        pair_fail(guest, text, "the machine ended before");
    at += strlen(text);
    guest->len -= (size_t)(at - guest->out);
    memmove(guest->out, at, guest->len + 1);
    pthread_mutex_unlock(&guest->lock);
}

static void pair_type(struct guest *guest, const char *text)
{
    if (ign_machine_console_write(guest->machine, text, strlen(text)) != strlen(text))
        pair_fail(guest, text, "not taken");
}

static struct guest *pair_boot(char **argv, const char *name)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    struct ign_options options;
    struct ign_error err;

    if (!guest)
        exit(1);
    guest->name = name;
    pthread_mutex_init(&guest->lock, NULL);
    pthread_cond_init(&guest->cond, NULL);
    ign_options_init(&options);
    options.accel = "soft";
    options.mem = UINT64_C(256) << 20;
    options.kernel.path = argv[1];
    options.initramfs.path = argv[2];
    options.append = "quiet";
    options.drives[0].file.path = argv[3];
    options.drives[0].overlay = true;
    options.drive_count = 1;
    options.on_console = pair_on_console;
    options.on_exit = pair_on_exit;
    options.ctx = guest;
    if (ign_machine_create(&options, &guest->machine, &err) < 0 ||
        ign_machine_start(guest->machine, &err) < 0)
        pair_fail(guest, "boot", err.message);
    return guest;
}

static void pair_end(struct guest *guest)
{
    struct ign_error err;

    pair_type(guest, "poweroff\n");
    if (ign_machine_wait(guest->machine, NULL, &err) < 0)
        pair_fail(guest, "wait", err.message);
    ign_machine_destroy(guest->machine);
    pthread_cond_destroy(&guest->cond);
    pthread_mutex_destroy(&guest->lock);
    free(guest);
}

int main(int argc, char **argv)
{
    struct guest *a, *b;
    struct ign_error err;

    if (argc != 4)
        return 2;
    a = pair_boot(argv, "a");
    b = pair_boot(argv, "b");
    pair_expect(a, PROMPT);
    pair_expect(b, PROMPT);
    /* Each writes to its disk, drops its cache, and reads its own back. */
    pair_type(
        a, "echo of-a | dd of=/dev/vda conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches\n");
    pair_type(
        b, "echo of-b | dd of=/dev/vda conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches\n");
    pair_expect(a, PROMPT);
    /* While one stands still the other goes on. */
    if (ign_machine_pause(a->machine, &err) < 0)
        pair_fail(a, "pause", err.message);
    pair_expect(b, PROMPT);
    pair_type(b, "echo got-$(head -c 4 /dev/vda)\n");
    pair_expect(b, "got-of-b");
    pair_type(a, "echo got-$(head -c 4 /dev/vda)\n");
    if (ign_machine_resume(a->machine, &err) < 0)
        pair_fail(a, "resume", err.message);
    pair_expect(a, "got-of-a");
    pair_end(a);
    pair_type(b, "echo still-$((40 + 2))\n");
    pair_expect(b, "still-42");
    pair_end(b);
    printf("pair: ok\n");
    return 0;
}
