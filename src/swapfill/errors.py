"""The exceptions a caller may catch.

SwapfillError
├── ConfigError        a setting is unknown, of the wrong type, or out of range
├── ImageError         a picture cannot be read, or is not one
├── MaskError          a mask cannot be read, or does not fit its picture
├── NoKnownPatchError  the hole leaves no whole patch to copy from
├── BundleError        a bundle or weights file is missing, damaged, or of another architecture
├── DeviceError        a device, engine or precision is not there
├── OutputError        the result cannot be written; what was there before is untouched
├── VideoError         a clip cannot be read, or is not one
└── DataError          training or evaluation pictures are missing or too few

Each message is one line that names the input at fault, the value found and the value wanted. The
command line prints the message alone and exits with 2. Anything else that is raised is a fault of
ours and keeps its traceback.
"""


class SwapfillError(Exception):
    """The base of every error that the person at the keyboard can mend."""


class ConfigError(SwapfillError):
    """A setting is unknown, of the wrong type, or out of range."""


class ImageError(SwapfillError):
    """A picture cannot be read, or is not one."""


class MaskError(SwapfillError):
    """A mask cannot be read, or does not fit its picture."""


class NoKnownPatchError(SwapfillError):
    """The hole leaves no whole patch to copy from."""


class BundleError(SwapfillError):
    """A bundle or weights file is missing, damaged, or of another architecture."""


class DeviceError(SwapfillError):
    """A device, engine or precision is not there."""


class OutputError(SwapfillError):
    """The result cannot be written; what was there before is untouched."""


class VideoError(SwapfillError):
    """A clip cannot be read, or is not one."""


class DataError(SwapfillError):
    """Training or evaluation pictures are missing or too few."""
