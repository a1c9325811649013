"""A moving picture of somebody, without a camera. `figure.py FILE` writes one as Y4M, for Chromium's fake camera."""

import sys

import numpy as np

WIDTH, HEIGHT, FRAMES = 640, 360, 16
COLOURS = [(94, 129, 172), (163, 118, 92), (112, 148, 110), (150, 112, 160), (190, 140, 80), (90, 150, 150)]


def figure(index: int) -> list[np.ndarray]:
    """Head and shoulders before a wall, swaying: RGBA pictures to show in turn."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    colour = np.array(COLOURS[index % len(COLOURS)], dtype=np.float32)
    pictures = []
    for frame in range(FRAMES):
        middle = WIDTH / 2 + 28 * np.sin(2 * np.pi * frame / FRAMES)
        light = (1.15 - 0.5 * y / HEIGHT - 0.2 * np.abs(x - WIDTH * 0.3) / WIDTH)[..., None]
        picture = colour * light
        head = ((x - middle) / 62) ** 2 + ((y - 150) / 78) ** 2 < 1
        body = ((x - middle) / 150) ** 2 + ((y - 400) / 165) ** 2 < 1
        picture[body] = colour * 0.45
        picture[head] = (224, 186, 160)
        rgba = np.full((HEIGHT, WIDTH, 4), 255, dtype=np.uint8)
        rgba[..., :3] = picture.clip(0, 255)
        pictures.append(rgba)
    return pictures


def planes(rgba: np.ndarray) -> bytes:
    """I420, full range (BT.601)."""
    r, g, b = (rgba[..., channel].astype(np.float32) for channel in range(3))
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    blue, red = 128 + (b - luma) * 0.564, 128 + (r - luma) * 0.713
    halved = [plane.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean((1, 3)) for plane in (blue, red)]
    return b"".join(plane.clip(0, 255).astype(np.uint8).tobytes() for plane in (luma, *halved))


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F8:1 Ip A1:1 C420\n".encode())
        for picture in figure(len(COLOURS) - 1):
            file.write(b"FRAME\n" + planes(picture))
