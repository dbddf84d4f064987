"""Stands for the program of a framework image that `python: PATH` replaces.

Run by that interpreter, so without imports of local AWS.
"""

import sys

if __name__ == "__main__":
    sys.exit(
        "this image is not here, only an interpreter in its place, and the job brings no program: "
        "give `command: [...]` or `docker: true` for it in the images of local_aws.yaml"
    )
