/* Threads and the mathematical library, compiled in a guest. The printed figures are known. */
#include <complex.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#define THREADS 4
#define LIMIT   200000
#define STEPS   20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned primes;
static atomic_uint next_number = 2;
static __thread unsigned own;
static double parts[THREADS];

static int is_prime(unsigned n)
{
    for (unsigned i = 2; i * i <= n; i++) {
        if (n % i == 0)
            return 0;
    }
    return 1;
}

/* Numbers are taken one by one; the integral of 4 / (1 + x^2) is cut into equal parts. */
static void *work(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;

    for (unsigned n; (n = atomic_fetch_add(&next_number, 1)) < LIMIT;)
        own += is_prime(n);
    for (int i = 0; i < STEPS; i++) {
        double x = (me + (i + 0.5) / STEPS) / THREADS;
        parts[me] += 4 / (1 + x * x);
    }
    pthread_mutex_lock(&lock);
    primes += own;
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    double pi = 0;

    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        pi += parts[i] / STEPS / THREADS;

    double complex root = cexp(I * M_PI / 3);
    printf("primes %u\n", primes);
    printf("pi %.9f\n", pi);
    printf("sin %.15f gamma %.6f erf %.15f\n", sin(1e22), tgamma(10.5), erf(0.5));
    printf("root %.12f %.12f\n", creal(root), cimag(root));
    printf("pow %.6Lf fma %.17g\n", powl(3, 40), fma(0.1, 10, -1));
    return 0;
}
