/* harness.h - memory that notices, random numbers and expectations for the C tests.

   A box is an array that touches an unreadable page: behind it when `boxes_at_end` is set,
   else before it; the rest of its own pages is a guard band. So reading or writing past
   the array crashes (the handler names the case), and writing on the other side is found
   when the boxes are released. */
#ifndef CM_HARNESS_H
#define CM_HARNESS_H

#include <stddef.h>
#include <stdint.h>

extern int boxes_at_end;

/* count elements of `size` bytes, filled with 0xCB (a large negative value, for reals):
   an output that is not written shows. Lives until release(). */
void *box(ptrdiff_t count, size_t size);
/* The box may not be written any more: an input. Returns its argument. */
const void *seal(void *data);
/* Checks the guard bands and frees all boxes. */
void release(void);

/* What is being tested; shown with every failure. */
void context(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts, and prints when `ok` is 0. */
void expect(int ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints the number of expectations and failures; the exit status of main. */
int report(void);

/* xorshift64*: the same numbers on every machine; uniform in [low, high). */
double uniform(double low, double high);
int64_t below(int64_t n);

/* log in long double. The x87 instruction behind glibc's logl is right on processors, but
   off by thousands of its ULP under Bochs, so a reference must not depend on it. */
long double exact_logl(long double x);

/* Sizes around every vector width. */
enum { SIZE_COUNT = 16 };
extern const ptrdiff_t SIZES[SIZE_COUNT];

#endif
