"""`locald doctor`: can this host build, and what to do where it cannot. Found out by doing."""
