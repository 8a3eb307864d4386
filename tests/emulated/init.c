/* init.c - the first process of the emulated machine: runs the lines of /commands, a
   program and its arguments each, until one fails, says how the last one ended, and turns
   the machine off. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* The exit status of a command, 128 + the signal that ended it. */
static int run(char *line)
{
    char *words[8] = {0};
    int count = 0;
    for (char *word = strtok(line, " \n"); word && count < 7;
         word = strtok(NULL, " \n"))
        words[count++] = word;
    if (count == 0)
        return 0;
    const pid_t child = fork();
    if (child == 0) {
        execv(words[0], words);
        _exit(127);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    const int serial = open("/dev/ttyS0", O_RDWR);
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        dup2(serial, stream);
    FILE *const commands = fopen("/commands", "r");
    char line[256];
    int status = commands ? 0 : 127;
    while (status == 0 && fgets(line, sizeof line, commands))
        status = run(line);
    printf("\nTEST-EXIT %d\n", status);
    fflush(stdout);
    tcdrain(serial);
    sync();
    reboot(RB_POWER_OFF);
    return 1;
}
