"""Pictures that readers upload: how large a file may be, and what is said of one that cannot be used."""
import io

# Bytes of a file. A server of the course takes messages of 64 MiB, see hub/jupyter_server_config.json; a larger one would cut the
# connection to the kernel without a word, so the limit stands beside the button.
LARGEST = 60_000_000
LIMIT = f"at most {LARGEST // 10**6} MB"


def picture(file):
    """The picture in an uploaded file.

    Args:
        file: dict with name, size in bytes and content (memoryview), an item of an ipywidgets.FileUpload's value.

    Returns:
        PIL image; of an animation its first picture.

    Raises:
        ValueError: no picture, a damaged one, or one that is too large; the message names the file and the reason.
    """
    from dlbook.data.photo import opened

    if file["size"] > LARGEST:
        raise ValueError(f"{file['name']} has {file['size'] / 1e6:.1f} MB; {LIMIT} can be uploaded. Make the picture smaller first.")
    return opened(io.BytesIO(bytes(file["content"])), file["name"])
