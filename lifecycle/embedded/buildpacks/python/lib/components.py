"""Prints the installed packages of a site-packages folder as the lines that sbom() of common.sh reads."""

import re
import sys
from importlib.metadata import distributions

for distribution in distributions(path=[sys.argv[1]]):
    name, version = distribution.metadata["Name"], distribution.version
    purl_name = re.sub(r"[-_.]+", "-", name).lower()
    print(f"pkg:pypi/{purl_name}@{version}", name, version, sep="\t")
