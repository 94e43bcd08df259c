/* ignition doctor: what this host can do, in words or as JSON; status 1 when no machine can run. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/cli_json.h"
#include "cli/doctor.h"
#include "cli/doctor_host.h"
#include "cli/doctor_os.h"
#include "ignition.h"

struct doctor_opts {
    bool json;
};

static const struct opt doctor_opts[] = {
    { .name = "json",
      .type = OPT_FLAG,
      .where = offsetof(struct doctor_opts, json),
      .help = "print one JSON object" },
    { .type = OPT_END },
};

/* Every engine; the name of the one that "auto" takes goes to ret_name, "" for none. */
static void doctor_engines(struct doctor *doctor, char ret_name[16])
{
    struct ign_host_engine engine;
    struct doctor_check *check = NULL;

    *ret_name = '\0';
    for (unsigned i = 0; ign_host_engine(i, &engine) == 0; i++) {
        char name[DOCTOR_NAME_MAX];

        snprintf(name, sizeof(name), "engine-%s", engine.name);
        check = doctor_add(doctor, name,
                           engine.works      ? DOCTOR_OK
                           : engine.built_in ? DOCTOR_MISSING
                                             : DOCTOR_NOTE,
                           "%s%s", engine.works ? "works" : engine.reason,
                           engine.automatic ? "; --accel auto takes it" : "");
        doctor_fact(check, "built_in", json_boolean(engine.built_in));
        doctor_fact(check, "works", json_boolean(engine.works));
        if (engine.automatic)
            memcpy(ret_name, engine.name, sizeof(engine.name));
    }
    if (check)
        check->stops = !*ret_name; /* said of the last: all have been tried */
}

static json_t *doctor_object(const struct doctor *doctor, const char *system, const char *engine)
{
    json_t *accel = *engine ? json_string(engine) : json_null();

    return json_pack("{s:s, s:o, s:b, s:o, s:o}", "version", ign_version(), "system",
                     cli_json_string(system), "can_run", doctor_stopper(doctor) == NULL, "accel",
                     accel, "checks", doctor_json(doctor));
}

static int doctor_run(const struct command *command, int argc, char **argv)
{
    CLEANUP(doctor_fini) struct doctor doctor = { 0 };
    const struct doctor_check *stopper;
    struct doctor_opts opts;
    struct utsname uts = { 0 };
    char engine[16], system[256], title[DOCTOR_NAME_MAX];

    if (cli_parse(command, &opts, argc, argv, NULL) != EXIT_OK)
        return EXIT_USAGE;
    uname(&uts);
    snprintf(system, sizeof(system), "%.80s %.80s %.80s", uts.sysname, uts.release, uts.machine);
    doctor_engines(&doctor, engine);
    doctor_os_add(&doctor);
    doctor_host_terminal(&doctor, STDIN_FILENO);
    doctor_host_memory(&doctor);
    doctor_host_files(&doctor);
    doctor_host_cores(&doctor);
    doctor_host_temp(&doctor);
    stopper = doctor_stopper(&doctor);
    if (opts.json) {
        if (cli_json_print(doctor_object(&doctor, system, engine), stdout) < 0)
            return cli_fail(EXIT_FAILED, "out of memory");
    } else {
        printf("ignition %s on %s\n\n", ign_version(), system);
        doctor_print(&doctor, stdout);
        if (stopper)
            printf("\nNo machine can run here: see %s.\n", doctor_title(stopper, title));
        else
            printf("\nMachines can run here, on %s.\n", engine);
    }
    return stopper ? EXIT_FAILED : EXIT_OK;
}

static const struct command_example doctor_examples[] = {
    { "ignition doctor", "what works on this host, and what to do about the rest" },
    { 0 },
};

const struct command command_doctor = {
    .name = "doctor",
    .help = "Tell what this host can do, and what to do about what is missing",
    .more = "A line a check: ok, note (there is something to know), or missing (something does not "
            "work), and the way out. Nothing on the host is changed. The exit status is 0 when a "
            "machine can run here, and 1 when none can.",
    .opts = doctor_opts,
    .examples = doctor_examples,
    .run = doctor_run,
};
