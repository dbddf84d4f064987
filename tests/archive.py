"""What is in a tar.gz."""

import io
import tarfile


def files_of(content: bytes) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file is not None:
                files[member.name] = file.read()
    return files
