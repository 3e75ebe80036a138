"""Small images for each chip, made by esptool's own library."""

import os
import tempfile
from pathlib import Path

CHIPS = {"ESP32_GENERIC": "esp32", "ESP32_GENERIC_S3": "esp32s3", "ESP32_GENERIC_C3": "esp32c3"}


def application(chip: str) -> bytes:
    """A small image: one segment in RAM, with check sum and hash."""
    from esptool.bin_image import (
        ESP32C3FirmwareImage,
        ESP32FirmwareImage,
        ESP32S3FirmwareImage,
        ImageSegment,
    )

    kinds = {"esp32": ESP32FirmwareImage, "esp32s3": ESP32S3FirmwareImage}
    image = kinds.get(chip, ESP32C3FirmwareImage)()
    places = {"esp32": 0x40080000, "esp32s3": 0x40378000, "esp32c3": 0x40380000}
    segment = ImageSegment(places[chip], os.urandom(1024))
    segment.name = ".iram0.text"
    image.segments = [segment]
    image.entrypoint = places[chip]
    with tempfile.TemporaryDirectory() as folder:
        image.save(f"{folder}/app.bin")
        return Path(folder, "app.bin").read_bytes()
