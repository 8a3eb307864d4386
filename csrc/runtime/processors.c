/* processors.c - how many processors this process may use: affinity and cgroup quota.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

static int affinity(void)
{
    /* The kernel refuses a set smaller than its own, so grow until it agrees. */
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set)
            return 0;
        int failed = sched_getaffinity(0, CPU_ALLOC_SIZE(cpus), set);
        int count = failed ? 0 : CPU_COUNT_S(CPU_ALLOC_SIZE(cpus), set);
        CPU_FREE(set);
        if (!failed)
            return count;
    }
    return 0;
}

/* Reads the first number of a file, and the second if asked; "max" reads as -1. */
static int read_numbers(const char *path, long *first, long *second)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    char word[32];
    int got = fscanf(file, "%31s", word) == 1;
    if (got && strcmp(word, "max") == 0)
        *first = -1;
    else if (got)
        got = sscanf(word, "%ld", first) == 1;
    if (got && second)
        got = fscanf(file, "%ld", second) == 1;
    fclose(file);
    return got;
}

/* quota / period of one control group, rounded up; 0: no limit there */
static int group_quota(const char *root, const char *group, int version)
{
    char path[PATH_BYTES + 64];
    long quota = -1, period = 0;
    int known;
    if (version == 2) {
        snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
        known = read_numbers(path, &quota, &period);
    } else {
        snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", root, group);
        known = read_numbers(path, &quota, NULL);
        snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", root, group);
        known = known && read_numbers(path, &period, NULL);
    }
    if (!known || quota <= 0 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}

/* The smallest quota from `group` up to the root; 0: none */
static int smallest_quota(const char *root, char *group, int version)
{
    int least = 0;
    for (;;) {
        int quota = group_quota(root, group, version);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup is "id:controllers:/path"; version 2 has no controllers.
 */
static int cgroup_quota(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return 0;
    int least = 0;
    char line[PATH_BYTES];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        int quota = 0;
        if (*controllers == '\0') {
            quota = smallest_quota("/sys/fs/cgroup", group, 2);
        } else {
            char padded[PATH_BYTES + 2];
            snprintf(padded, sizeof padded, ",%s,", controllers);
            if (strstr(padded, ",cpu,"))
                quota = smallest_quota("/sys/fs/cgroup/cpu", group, 1);
        }
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
    }
    fclose(file);
    return least;
}
#else
static int affinity(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static int cgroup_quota(void)
{
    return 0;
}
#endif

int cm_processors(void)
{
    int allowed = affinity();
    int quota = cgroup_quota();
    if (quota > 0 && quota < allowed)
        allowed = quota;
    return allowed > 1 ? allowed : 1;
}
