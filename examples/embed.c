/*
 * An embedder of libignition: boots a kernel, waits for a text on its console, types a command that
 * powers it off, and waits for that.
 *
 *   cc embed.c $(pkg-config --cflags --libs ignition) -o embed
 *   ./embed Image initramfs 'ignition:~# ' poweroff
 */
#include <ignition.h>
#include <stdio.h>
#include <string.h>

struct guest {
    struct ign_machine *machine;
    const char *wait_for, *command;
    char seen[4096]; /* the end of what the guest has printed */
    size_t len;
};

static void on_console(void *ctx, const void *data, size_t len)
{
    struct guest *guest = ctx;
    size_t keep = strlen(guest->wait_for) - 1;

    fwrite(data, 1, len, stdout);
    for (size_t i = 0; i < len && *guest->command; i++) {
        if (guest->len == sizeof(guest->seen)) {
            memmove(guest->seen, guest->seen + guest->len - keep, keep);
            guest->len = keep;
        }
        guest->seen[guest->len++] = ((const char *)data)[i];
        if (guest->len <= keep ||
            memcmp(guest->seen + guest->len - keep - 1, guest->wait_for, keep + 1) != 0)
            continue;
        ign_machine_console_write(guest->machine, guest->command, strlen(guest->command));
        ign_machine_console_write(guest->machine, "\n", 1);
        guest->command = "";
    }
}

int main(int argc, char **argv)
{
    struct guest guest = { 0 };
    struct ign_options options;
    struct ign_error err;
    enum ign_end end;

    if (argc != 5 || !*argv[3] || strlen(argv[3]) >= sizeof(guest.seen)) {
        fprintf(stderr, "usage: embed KERNEL INITRAMFS TEXT COMMAND\n");
        return 2;
    }
    guest.wait_for = argv[3];
    guest.command = argv[4];
    ign_options_init(&options);
    options.kernel.path = argv[1];
    options.initramfs.path = argv[2];
    options.append = "quiet";
    options.on_console = on_console;
    options.ctx = &guest;
    if (ign_machine_create(&options, &guest.machine, &err) < 0 ||
        ign_machine_start(guest.machine, &err) < 0 ||
        ign_machine_wait(guest.machine, &end, &err) < 0) {
        fprintf(stderr, "embed: %s\n", err.message);
        ign_machine_destroy(guest.machine);
        return 1;
    }
    ign_machine_destroy(guest.machine);
    return end == IGN_END_OFF ? 0 : 1;
}
