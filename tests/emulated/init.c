/* init.c - the first process of the emulated machine: runs /test with the argument that
   /argument holds, if any, says how it ended, and turns the machine off. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

int main(void)
{
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int serial = open("/dev/ttyS0", O_RDWR);
    dup2(serial, STDIN_FILENO);
    dup2(serial, STDOUT_FILENO);
    dup2(serial, STDERR_FILENO);
    char argument[64] = "";
    int file = open("/argument", O_RDONLY);
    ssize_t length = file < 0 ? 0 : read(file, argument, sizeof argument - 1);
    argument[length > 0 ? length : 0] = '\0';
    pid_t child = fork();
    if (child == 0) {
        execl("/test", "/test", length > 0 ? argument : (char *)NULL, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(child, &status, 0);
    printf("\nTEST-EXIT %d\n",
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    fflush(stdout);
    tcdrain(serial);
    sync();
    reboot(RB_POWER_OFF);
    return 1;
}
