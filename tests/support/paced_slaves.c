/* RTU slaves on a pseudo-terminal that takes real wire time. Usage: slaves BAUD SILENCE_US
 *
 * Every byte costs 11 bits; an answer begins 3.5 characters after its request has left and is handed over as a
 * UART does, eight bytes at a time, each when its last bit is in. A register holds half of a float32, high word
 * first, whose value is 1000 x unit + address of the pair. Prints the line's path, and at the end of its input:
 * requests, requests that began before SILENCE_US had passed, smallest silence before a request (us),
 * bytes on the wire, seconds from the first request to the last byte of the last answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void until(double when) {
    struct timespec t = {(time_t)when, (long)((when - (time_t)when) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static void seal(uint8_t *frame, int size) {
    uint16_t crc = 0xFFFF;
    for (int i = 0; i < size; i++) {
        crc ^= frame[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xA001 : crc >> 1;
    }
    frame[size] = crc & 0xFF;
    frame[size + 1] = crc >> 8;
}

static int answer(const uint8_t *request, uint8_t *frame) {
    int first = request[2] << 8 | request[3], count = request[4] << 8 | request[5];
    frame[0] = request[0];
    frame[1] = request[1];
    frame[2] = 2 * count;
    for (int i = 0; i < count; i++) {
        float value = 1000.0f * request[0] + ((first + i) & ~1);
        uint32_t bits;
        memcpy(&bits, &value, 4);
        uint16_t word = (first + i) & 1 ? bits & 0xFFFF : bits >> 16;
        frame[3 + 2 * i] = word >> 8;
        frame[4 + 2 * i] = word & 0xFF;
    }
    seal(frame, 3 + 2 * count);
    return 5 + 2 * count;
}

int main(int argc, char **argv) {
    double character = 11.0 / atof(argv[1]), silence = atof(argv[2]) * 1e-6;
    int line = posix_openpt(O_RDWR | O_NOCTTY);
    if (argc != 3 || line < 0 || grantpt(line) || unlockpt(line))
        return 2;
    int held = open(ptsname(line), O_RDWR | O_NOCTTY); /* so that the line survives its users */
    struct termios raw;
    tcgetattr(held, &raw);
    cfmakeraw(&raw);
    tcsetattr(held, TCSANOW, &raw);
    printf("%s\n", ptsname(line));
    fflush(stdout);

    uint8_t request[8], frame[300];
    int got = 0;
    long requests = 0, early = 0, bytes = 0;
    double first = 0, end = -1e9, smallest = 1e9;
    for (;;) {
        struct pollfd ready[2] = {{line, POLLIN, 0}, {0, POLLIN, 0}};
        poll(ready, 2, -1);
        if (ready[1].revents)
            break;
        double begun = now();
        int size = read(line, request + got, 8 - got);
        if (size <= 0)
            continue;
        if (!got && requests) {
            double quiet = begun - end;
            smallest = quiet < smallest ? quiet : smallest;
            early += quiet < silence;
        }
        if (!got && !requests)
            first = begun;
        got += size;
        if (got < 8)
            continue;
        got = 0;
        requests++;
        int length = answer(request, frame);
        bytes += 8 + length;
        double start = begun + 8 * character + 3.5 * character;
        for (int sent = 0; sent < length;) {
            int piece = length - sent < 8 ? length - sent : 8;
            until(start + (sent + piece) * character);
            end = now(); /* before the master can have it: on a busy machine the write may return much later */
            if (write(line, frame + sent, piece) < 0)
                return 1;
            sent += piece;
        }
    }
    printf("%ld %ld %.0f %ld %.6f\n", requests, early, smallest * 1e6, bytes, end - first);
    return 0;
}
