"""A blob on its way from a registry."""

from hashlib import sha256

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from oci.digest import Digest
from oci.persist import Transient
from oci.reference import Reference
from oci.registry_connection import RegistryConnection
from oci.registry_errors import broken_off, lying


class CheckedBody:
    """A blob's bytes, counted and digested on the way."""

    def __init__(
        self,
        connection: RegistryConnection,
        answer: BaseHTTPResponse,
        image: Reference,
        size: int | None,
        max_bytes: int,
    ) -> None:
        self._connection = connection
        self._answer = answer
        self._image = image
        self._size = size
        self._max_bytes = max_bytes
        self._read_bytes = 0
        self._hasher = sha256()

    def read(self, amount: int = 1 << 18) -> bytes:
        """The next bytes. The last of them are given out only when the digest is right."""
        try:
            data = self._answer.read(amount)
        except HTTPError as error:
            raise self._connection.trouble(error, self._image) from error
        except OSError as error:
            raise Transient(broken_off(self._image, details=(str(error),))) from error
        self._read_bytes += len(data)
        self._hasher.update(data)
        if self._read_bytes > self._max_bytes:
            raise lying(self._image, f"more than the {self._max_bytes} bytes it should have")
        if not data and self._size is not None and self._read_bytes < self._size:
            raise Transient(
                broken_off(self._image, details=(f"{self._read_bytes} of {self._size} bytes came",))
            )
        ended = not data or self._read_bytes == self._size
        if ended and self._image.digest != Digest(self._hasher.hexdigest()):
            raise lying(self._image, "a blob with another digest")
        return data
