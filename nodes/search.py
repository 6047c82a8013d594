"""Words that find the nodes in the host's search, beside their names: in English, Chinese and Japanese."""

from __future__ import annotations

from dataclasses import fields

from comfy_api.latest import io

# What users of other packs, methods and programs would type: by node id; English, Chinese, Japanese.
ALIASES: dict[str, tuple[str, str, str]] = {
    "StableIdentityLoadFaceEncoder": (
        "face id, faceid, face recognition, arcface, insightface, load face model, likeness",
        "人脸识别, 人脸编码器, 加载人脸模型",
        "顔認識, 顔エンコーダー, 顔モデルを読み込む",
    ),
    "StableIdentityPrepareFace": (
        "photo, portrait, selfie, face crop, face align, face detect, face mask, likeness, reference image",
        "照片, 肖像, 人脸检测, 人脸对齐, 裁剪人脸, 头像",
        "写真, 顔写真, ポートレート, 顔検出, 顔切り抜き, 似顔",
    ),
    "StableIdentityEncodeFace": (
        "face id, faceid, face embedding, face feature, instantid, ipadapter face, photomaker",
        "人脸特征, 人脸嵌入, 编码人脸",
        "顔特徴, 顔埋め込み, 顔をエンコード",
    ),
    "StableIdentityNameSpace": (
        "celebrity, celeb basis, celebrities, names, famous people",
        "名人, 明星, 名字空间, 姓名",
        "有名人, 芸能人, セレブ, 名前空間, 名前",
    ),
    "StableIdentityTrain": (
        "likeness, train face, learn face, textual inversion, embedding, lora, face lora, dreambooth, instantid, "
        "pulid, photomaker, celeb basis, character, personalization, finetune",
        "训练人脸, 学习人物, 人脸, 身份, 文本反转, 嵌入, 个性化, 角色一致性, 微调",
        "顔を学習, 人物, 人物を学習, 顔, 学習, 埋め込み, キャラクター, 似顔, 微調整",
    ),
    "StableIdentityProject": (
        "likeness, instant identity, without training, tuning free, zero shot face, instantid, pulid, faceid",
        "免训练, 即时身份, 人脸, 身份, 人脸投影",
        "学習なし, 即時, 顔, 顔から人物, 射影",
    ),
    "StableIdentityApply": (
        "likeness, use person, use face, face id, instantid, ipadapter, load embedding, lora, same person, consistent "
        "character",
        "使用人物, 应用身份, 人脸, 身份, 同一个人, 角色一致性",
        "人物を使う, 顔, 同じ人物, キャラクター固定, 一貫性",
    ),
    "StableIdentityEncodePrompt": (
        "prompt, text encode, conditioning, person in prompt, positive, clip text encode",
        "提示词, 文本编码, 人物提示词, 正向提示",
        "プロンプト, テキストエンコード, 人物プロンプト",
    ),
    "StableIdentitySave": (
        "save person, save face, save embedding, export textual inversion, store identity",
        "保存人物, 保存身份, 保存嵌入",
        "人物を保存, 顔を保存, 埋め込みを保存",
    ),
    "StableIdentityLoad": (
        "load person, load face, load embedding, textual inversion, likeness, lora loader",
        "加载人物, 加载身份, 加载嵌入, 人脸",
        "人物, 人物を読み込む, 顔を読み込む, 埋め込みを読み込む",
    ),
    "StableIdentityMiniWorld": (
        "demo, example model, tiny model, tiny stable diffusion, try without download, checkpoint",
        "演示, 示例模型, 小模型, 无需下载",
        "デモ, お試し, 小さなモデル, ダウンロード不要",
    ),
    "StableIdentityMiniWorldPerson": (
        "demo, example photo, random person, drawn face, sample portrait, cartoon",
        "演示, 示例照片, 随机人物, 卡通人物",
        "デモ, サンプル写真, ランダムな人物, 似顔絵",
    ),
    "StableIdentityClipVisionEncoder": (
        "clip vision, image encoder, face encoder, ablation, ipadapter clip",
        "CLIP 视觉, 图像编码器, 人脸编码器",
        "CLIP ビジョン, 画像エンコーダー, 顔エンコーダー",
    ),
    "StableIdentityFaceSimilarity": (
        "likeness, compare faces, same person, face distance, face score, face id, verify",
        "人脸相似度, 比较人脸, 是否同一人, 像不像",
        "顔類似度, 顔の比較, 本人確認, 似ている",
    ),
    "StableIdentityMix": (
        "blend faces, merge people, mix faces, average face, combine characters, morph",
        "混合人物, 融合人脸, 平均脸, 合成人物",
        "人物を混ぜる, 顔の合成, 平均顔, 融合",
    ),
    "StableIdentityInterpolate": (
        "morph, between two people, blend, face morph, lerp, transition",
        "人物过渡, 人脸渐变, 插值, 变脸",
        "モーフィング, 人物の補間, 顔の変化, 補間",
    ),
    "StableIdentitySample": (
        "random person, random face, new character, imaginary person, nonexistent person, face generator",
        "随机人物, 随机人脸, 虚构人物, 生成人物",
        "ランダムな人物, ランダムな顔, 架空の人物, 新しいキャラクター",
    ),
    "StableIdentityMap": (
        "plot, tsne, pca, embedding space, visualize people, chart, celebrity map",
        "人物分布图, 可视化, 降维, 嵌入空间",
        "人物の分布, 可視化, 散布図, 埋め込み空間",
    ),
    "StableIdentityLoadVideoModel": (
        "text to video, t2v, modelscope, zeroscope, animate person, video unet",
        "文生视频, 视频模型, 加载视频模型",
        "テキストから動画, 動画モデル, ビデオモデル",
    ),
    "StableIdentityEmptyVideoLatent": (
        "video size, frames, fps, clip length, empty latent video, t2v latent",
        "空视频潜空间, 视频尺寸, 帧数, 帧率",
        "空の動画, 動画サイズ, フレーム数, フレームレート",
    ),
    "StableIdentityVideoWindows": (
        "long video, context length, sliding window, context options, animatediff context",
        "长视频, 滑动窗口, 上下文窗口",
        "長い動画, スライディングウィンドウ, コンテキスト",
    ),
    "StableIdentityChannelOrder": (
        "rgb to bgr, swap red and blue, openpose colors, pose map",
        "颜色通道, 红蓝互换, 姿态图",
        "色チャンネル, 赤青入れ替え, ポーズ画像",
    ),
    "StableIdentityTrainProjector": (
        "many people, face dataset, pretrain, train adapter, hypernetwork, encoder training",
        "训练投影, 人脸数据集, 多人训练, 预训练",
        "投影の学習, 顔データセット, 多人数で学習, 事前学習",
    ),
    "StableIdentitySaveProjector": (
        "save adapter, export projector, save face adapter",
        "保存投影, 导出投影, 保存适配器",
        "投影を保存, 射影を書き出す, アダプター保存",
    ),
    "StableIdentityLoadProjector": (
        "load adapter, import projector, face adapter, pretrained",
        "加载投影, 加载适配器, 预训练投影",
        "投影を読み込む, アダプター読み込み, 事前学習済み",
    ),
    "StableIdentityPrepareFolder": (
        "batch photos, folder of photos, photo album, dataset, face crop batch, portraits",
        "照片文件夹, 批量照片, 人脸数据集, 相册",
        "写真フォルダー, 写真をまとめて, 顔データセット, アルバム",
    ),
    "StableIdentityTemporalScore": (
        "face consistency, video identity, flicker, drift, likeness over time, video score",
        "视频人脸一致性, 身份保持, 闪烁, 视频评分",
        "動画の顔の一貫性, 人物の一貫性, ちらつき, 動画スコア",
    ),
    "StableIdentityPeople": (
        "group, multiple people, multiple faces, batch of people, couple, family, likeness",
        "多人, 多个人物, 多张人脸, 合照, 一家人",
        "複数人, 複数の顔, グループ, 家族, 人物リスト",
    ),
    "StableIdentityPick": (
        "select person, choose person, index, one of list, get person",
        "选择人物, 挑选身份, 索引",
        "人物を選ぶ, 人物の選択, 番号",
    ),
    "StableIdentityPrompts": (
        "multiple prompts, batch prompts, prompt lines, several prompts, text list, prompt queue",
        "多个提示词, 批量提示词, 提示词列表, 每行一个",
        "複数のプロンプト, プロンプト一覧, 一行ずつ",
    ),
    "StableIdentityKnowsNames": (
        "celebrity, celebrities, names, famous people, test model, does the model know, check model, name test",
        "名人, 明星, 名字, 测试模型, 模型认识谁, 检查模型",
        "有名人, 芸能人, 名前, モデルを試す, モデル検査",
    ),
    "StableIdentityScore": (
        "evaluate, evaluation, likeness, quality, benchmark, metrics, clip score, clip-t, rate pictures",
        "评估, 评分, 相似度, 质量, 指标, CLIP 分数, 打分",
        "評価, 採点, 類似度, 品質, 指標, CLIP スコア",
    ),
    "StableIdentityReport": (
        "evaluation report, compare methods, comparison table, html report, benchmark, contact sheet",
        "评估报告, 比较方法, 对比表, 报告",
        "評価レポート, 手法の比較, 比較表, レポート",
    ),
    "StableIdentityHead3D": (
        "text to 3d, 3d head, 3d avatar, bust, gaussian splatting, 3dgs, dreamfusion, lucid dreamer",
        "文生三维, 三维头像, 3D 头部, 三维人物, 高斯泼溅, 头像建模",
        "テキストから3D, 3Dの頭, 3Dアバター, 胸像, ガウシアンスプラッティング",
    ),
    "StableIdentityHead3DSettings": (
        "3d settings, score distillation settings, sds, ism, perp neg, gaussians, densify",
        "三维设置, 高斯设置, 分数蒸馏",
        "3D設定, ガウシアンの設定, スコア蒸留",
    ),
    "StableIdentityTurntable": (
        "orbit, 360, rotate 3d, render splat, spin, turn around, multi view",
        "转盘, 环绕, 旋转展示, 渲染高斯, 多视角",
        "ターンテーブル, 回転, 全周, スプラットを描画",
    ),
    "StableIdentitySaveSplat": (
        "save ply, export 3d, save gaussian, export splat, 3dgs file",
        "保存 ply, 导出三维, 保存高斯",
        "plyを保存, 3Dを書き出す, スプラットを保存",
    ),
    "StableIdentityLoadSplat": (
        "load ply, import 3d, open gaussian, import splat, 3dgs file",
        "加载 ply, 导入三维, 加载高斯",
        "plyを読み込む, 3Dを読み込む, スプラットを読み込む",
    ),
}


def aliases_of(node_id: str) -> list[str]:
    """All search words of a node, the three languages after each other."""
    return [word.strip() for line in ALIASES.get(node_id, ()) for word in line.split(",")]


def searchable(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """Add the node's aliases to its schema, where the host's schemas have them."""
    if "search_aliases" not in {field.name for field in fields(io.Schema)}:
        return node
    define = node.define_schema.__func__  # type: ignore[attr-defined]

    def with_aliases(cls: type[io.ComfyNode]) -> io.Schema:
        schema = define(cls)
        schema.search_aliases = aliases_of(schema.node_id)
        return schema

    node.define_schema = classmethod(with_aliases)  # type: ignore[method-assign,assignment]
    return node
