"""What a server is started with: each default, unit and rule."""

from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from swapfill.config import Positive, Settings

_MEBIBYTE = 1 << 20
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Seconds = Annotated[float, Field(gt=0)]


class ServeSettings(Settings):
    """What a server is started with."""

    models: tuple[str, ...] = ("default",)  # a packaged model's name, or NAME=FOLDER of a bundle
    engine: str = "auto"
    devices: tuple[str, ...] = ("auto",)  # each has its own copy of every model
    precision: str = "auto"

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    token: SecretStr | None = None  # whoever asks has to bring it; None: whoever reaches the port

    upload_bytes: Positive = 64 * _MEBIBYTE  # of one request's body
    pixels: Positive = 64_000_000  # of one picture
    styles: Positive = 8  # of one request
    queue: Positive = 64  # requests that wait, besides those at work
    workers: Positive = 4  # pictures that are read, planned, blended and written at once
    held_bytes: Positive = 1024 * _MEBIBYTE  # of all uploads and results that are held
    jobs: Positive = 256  # that are remembered once they are done
    connections: Positive = 1024

    upload_seconds: Seconds = 30  # for a body to arrive, besides what its length needs
    fill_seconds: Seconds = 300  # for an answer, waiting included
    job_seconds: Seconds = 3600  # for a job at work
    keep_seconds: Seconds = 900  # that a job is remembered once it is done
    stop_seconds: Seconds = 120  # to finish, when the server is asked to stop

    @model_validator(mode="after")
    def _rules(self) -> "ServeSettings":
        if not self.models or not self.devices:
            raise ValueError("models and devices: want one or more of each")
        if self.held_bytes < self.upload_bytes:
            raise ValueError(f"held_bytes is {self.held_bytes}, want at least upload_bytes")
        if self.token is not None and not self.token.get_secret_value():
            raise ValueError("the token is empty, want a word, or none")
        return self

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine can reach the server."""
        return self.host in _LOOPBACK

    @property
    def named_models(self) -> dict[str, str]:
        """Give each model's packaged name or folder, by the name that clients use."""
        pairs = (typed.partition("=") for typed in self.models)
        return {name: folder or name for name, _, folder in pairs}
