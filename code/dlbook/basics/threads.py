"""How many threads multiply the small matrices of this package."""


def one_thread():
    """Let NumPy multiply with one thread from now on.

    The matrices here are small: a second thread saves hardly anything, and beside another busy program the two wait for each other
    at every step. Call it after `profile.setup`, which allows two.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
