"""The demo models: real architectures of Stable Diffusion at small width."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, PNDMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

TEXT_WIDTH, TEXT_TOKENS = 128, 77


def make_vae():
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, layers_per_block=1,
        block_out_channels=(16, 32, 64, 80), norm_num_groups=4, sample_size=128,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=1.0)


def make_text(vocabulary):
    last = len(vocabulary) - 1
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=TEXT_TOKENS,
        hidden_act="quick_gelu", bos_token_id=last - 1, eos_token_id=last,
        pad_token_id=last, projection_dim=TEXT_WIDTH))


def make_unet(in_channels=4):
    """Norms hold several channels a group: with one, an image loses its mean colour.
    The blocks of SD 1.5: 4 levels, 2 layers a block, 16 transformer blocks. Few heads: eight of
    four channels each take half as long again on a CPU."""
    return UNet2DConditionModel(
        sample_size=16, in_channels=in_channels, out_channels=4, layers_per_block=2,
        block_out_channels=(32, 64, 96, 96), norm_num_groups=8, attention_head_dim=[2, 4, 4, 4],
        cross_attention_dim=TEXT_WIDTH,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3)


SCHEDULE = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012,
                beta_schedule="scaled_linear", steps_offset=1, clip_sample=False,
                set_alpha_to_one=False, prediction_type="v_prediction")


# longtake.json beside each model: what suits it (docs/models.md). With these
# thresholds all 9 cuts in four clips begin a clip, and motion begins one every 5 to 20
# frames.
CLIPS = {"mean_threshold": 0.975, "region_threshold": 0.85}
SETTINGS = {
    "sd": {"clips": CLIPS,
           "sampler": {"steps": 20, "inversion_steps": 20, "guidance": 2}},
    "ip2p": {"clips": CLIPS,
             "sampler": {"steps": 20, "inversion_steps": 20, "guidance": 3,
                         "image_guidance": 1.2}},
}


def make_scheduler():
    """What training and judging use."""
    return DDIMScheduler(**SCHEDULE)


def make_saved_scheduler():
    """What the folder names, as SD 1.5 does."""
    keep = {k: v for k, v in SCHEDULE.items() if k != "clip_sample"}
    return PNDMScheduler(skip_prk_steps=True, **keep)


def alphas():
    return make_scheduler().alphas_cumprod


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def write_json(path, value):
    Path(path).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    import time
    torch.set_num_threads(1)
    vae, unet = make_vae(), make_unet()
    text = make_text({i: i for i in range(900)})
    for name, m in (("vae", vae), ("text", text), ("unet", unet)):
        print(name, parameters(m), "parameters", parameters(m) * 2 / 1e6, "MB in f16")
    for cl in (False, True):
        m = vae.to(memory_format=torch.channels_last) if cl else vae
        x = torch.rand(4, 3, 128, 128)
        if cl:
            x = x.to(memory_format=torch.channels_last)
        for _ in range(3):
            t = time.process_time()
            m(x).sample.square().mean().backward()
            print("vae", cl, (time.process_time() - t) / 4, "s an image")
        u = unet.to(memory_format=torch.channels_last) if cl else unet
        z, c = torch.randn(16, 4, 16, 16), torch.randn(16, 77, TEXT_WIDTH)
        for _ in range(2):
            t = time.process_time()
            u(z, torch.full((16,), 10), c).sample.square().mean().backward()
            print("unet", cl, (time.process_time() - t) / 16, "s a sample")
    ids = torch.zeros(16, 77, dtype=torch.long)
    t = time.process_time()
    text(ids)[0].sum().backward()
    print("text", (time.process_time() - t) / 16)
