/* harness.c - memory that notices, random numbers and expectations for the C tests. */

#define _GNU_SOURCE
#include "harness.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const ptrdiff_t SIZES[SIZE_COUNT] = {0,  1,  2,  3,  7,  8,  9,  15,
                                     16, 17, 31, 33, 63, 65, 97, 130};

int boxes_at_end = 1;

enum { MAX_BOXES = 32, GUARD = 0xA5, UNWRITTEN = 0xCB };

static struct {
    unsigned char *pages, *data;
    size_t page_bytes, data_bytes;
} boxes[MAX_BOXES];
static int box_count;

static char what[256] = "start";
static long expectations, failures;

/* Memory faults are what the boxes are for: say where, then end. */
static void on_fault(int signal_number)
{
    static const char text[] = ": memory fault\n";
    ssize_t written = write(STDERR_FILENO, what, strlen(what));
    written += write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    _exit(128 + signal_number);
}

void *box(ptrdiff_t count, size_t size)
{
    static int handled;
    if (!handled) {
        handled = 1;
        signal(SIGSEGV, on_fault);
        signal(SIGBUS, on_fault);
    }
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size_t)count * size;
    const size_t inner = (bytes / page + 1) * page;
    unsigned char *map =
        mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || box_count == MAX_BOXES ||
        mprotect(map + page, inner, PROT_READ | PROT_WRITE) != 0) {
        perror("box");
        exit(2);
    }
    unsigned char *const data = map + page + (boxes_at_end ? inner - bytes : 0);
    memset(map + page, GUARD, (size_t)(data - map) - page);
    memset(data, UNWRITTEN, bytes);
    memset(data + bytes, GUARD, inner - bytes - ((size_t)(data - map) - page));
    boxes[box_count].pages = map + page;
    boxes[box_count].page_bytes = inner;
    boxes[box_count].data = data;
    boxes[box_count].data_bytes = bytes;
    box_count++;
    return data;
}

const void *seal(void *data)
{
    for (int i = 0; i < box_count; i++)
        if (boxes[i].data == data)
            mprotect(boxes[i].pages, boxes[i].page_bytes, PROT_READ);
    return data;
}

/* Every byte is equal to the one before it, so all are. */
static int all_guard(const unsigned char *begin, const unsigned char *end)
{
    return begin == end || (*begin == GUARD &&
                            memcmp(begin, begin + 1, (size_t)(end - begin) - 1) == 0);
}

void release(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < box_count; i++) {
        const unsigned char *const pages = boxes[i].pages, *const data = boxes[i].data;
        expect(all_guard(pages, data) &&
                   all_guard(data + boxes[i].data_bytes, pages + boxes[i].page_bytes),
               "guard band of box %d overwritten", i);
        munmap(boxes[i].pages - page, boxes[i].page_bytes + 2 * page);
    }
    box_count = 0;
}

void context(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
}

void expect(int ok, const char *format, ...)
{
    expectations++;
    if (ok || ++failures > 50)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("FAIL %s: ", what);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

int report(void)
{
    printf("%ld expectations, %ld failures\n", expectations, failures);
    return failures != 0 || expectations == 0;
}

/* One step of Newton's method from the double log, which needs no more than an exact exp;
   near 1 by expm1, for then exp(y) - x would have lost the digits of a small y. */
long double exact_logl(long double x)
{
    const long double y = log((double)x);
    if (!isfinite(y))
        return y;
    if (x >= 0.5L && x <= 2)
        return y + ((x - 1) - expm1l(y)) / x;
    return y + (x - expl(y)) / x;
}

static uint64_t next_random(void)
{
    static uint64_t state = 0x9E3779B97F4A7C15;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1D;
}

double uniform(double low, double high)
{
    return low + (high - low) * ((double)(next_random() >> 11) * 0x1p-53);
}

int64_t below(int64_t n)
{
    return (int64_t)(next_random() >> 1) % n;
}
