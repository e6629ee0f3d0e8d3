"""A second process type: prints a line a second, as a worker would."""

import time

if __name__ == "__main__":
    while True:
        print("tick", flush=True)
        time.sleep(1)
