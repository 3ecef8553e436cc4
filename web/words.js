// @ts-check
// What the page says in the user's language. Errors come from the server, as they are in its log.

import { app } from "../../scripts/app.js";

/** @typedef {keyof typeof ENGLISH} Word */

const ENGLISH = {
  title: "Viseme: keys",
  about:
    "One key for each vendor that you buy from; runs in the sandbox need none. A key is kept on " +
    "the machine that runs ComfyUI, for everyone who uses it there. It is in no workflow and no " +
    "setting, and this page cannot read it back.",
  close: "Close",
  save: "Save",
  clear: "Clear",
  keyOf: "Key of {label}",
  saveOf: "Save the key of {label}",
  clearOf: "Clear the key of {label}",
  paste: "Paste the key",
  replace: "Another key in its place",
  notSet: "Not set",
  inKeyring: "Set, in the system's keyring",
  inFile: "Set, in Viseme's private file",
  inEnvironment: "Set by {variable} in ComfyUI's environment; change it there",
  kept: "The key of {label} is kept.",
  cleared: "The key of {label} is cleared.",
  empty: "The key of {label} is empty. Paste it into its field first.",
  noAnswer:
    "ComfyUI answered {status} to {route}. Look into its log; where Viseme is new or was updated, " +
    "restart ComfyUI.",
  left: "Unfinished lip-syncs: {count}",
  leftRemedy: "Run their graphs again, or give an id to Collect Lip Sync Job. {paid}{jobs}",
  leftPaid: "Nothing is paid for twice. ",
  sandbox: "sandbox",
};

/** @type {Record<string, Record<Word, string>>} */
const LANGUAGES = {
  en: ENGLISH,
  zh: {
    title: "Viseme：密钥",
    about:
      "向哪家服务商购买，就设置哪家的密钥；沙盒运行不需要密钥。密钥保存在运行 ComfyUI 的机器上，" +
      "供使用它的所有人共用。它不会出现在任何工作流或设置中，本页面也无法读回它。",
    close: "关闭",
    save: "保存",
    clear: "清除",
    keyOf: "{label} 的密钥",
    saveOf: "保存 {label} 的密钥",
    clearOf: "清除 {label} 的密钥",
    paste: "粘贴密钥",
    replace: "用另一个密钥替换",
    notSet: "未设置",
    inKeyring: "已设置，保存在系统密钥环中",
    inFile: "已设置，保存在 Viseme 的私有文件中",
    inEnvironment: "由 ComfyUI 环境变量 {variable} 设置；请在那里更改",
    kept: "{label} 的密钥已保存。",
    cleared: "{label} 的密钥已清除。",
    empty: "{label} 的密钥为空。请先将其粘贴到输入框中。",
    noAnswer:
      "ComfyUI 对 {route} 的应答为 {status}。请查看其日志；如果刚安装或更新了 Viseme，请重启 ComfyUI。",
    left: "未完成的对口型：{count} 个",
    leftRemedy: "请重新运行其工作流，或把任务 ID 交给“取回对口型任务”节点。{paid}{jobs}",
    leftPaid: "不会重复付费。",
    sandbox: "沙盒",
  },
  ja: {
    title: "Viseme：キー",
    about:
      "購入先のベンダーごとにキーが 1 つ必要です。サンドボックスでの実行には不要です。キーは ComfyUI " +
      "が動作しているマシンに保存され、そこを使う全員で共有されます。ワークフローにも設定にも含まれず、" +
      "このページから読み戻すことはできません。",
    close: "閉じる",
    save: "保存",
    clear: "消去",
    keyOf: "{label} のキー",
    saveOf: "{label} のキーを保存",
    clearOf: "{label} のキーを消去",
    paste: "キーを貼り付け",
    replace: "別のキーに置き換え",
    notSet: "未設定",
    inKeyring: "設定済み（システムのキーリング）",
    inFile: "設定済み（Viseme の非公開ファイル）",
    inEnvironment: "ComfyUI の環境変数 {variable} で設定済み。変更はそちらで行ってください",
    kept: "{label} のキーを保存しました。",
    cleared: "{label} のキーを消去しました。",
    empty: "{label} のキーが空です。先に入力欄に貼り付けてください。",
    noAnswer:
      "ComfyUI は {route} に {status} を返しました。ログを確認してください。Viseme を導入または更新した" +
      "直後なら、ComfyUI を再起動してください。",
    left: "完了していないリップシンク：{count} 件",
    leftRemedy:
      "そのグラフをもう一度実行するか、ID を「リップシンクのジョブを回収」に渡してください。{paid}{jobs}",
    leftPaid: "二重に支払うことはありません。",
    sandbox: "サンドボックス",
  },
  ko: {
    title: "Viseme: 키",
    about:
      "구매하는 공급사마다 키가 하나씩 필요하며, 샌드박스 실행에는 필요하지 않습니다. 키는 ComfyUI가 " +
      "실행되는 컴퓨터에 보관되어 그곳을 쓰는 모든 사람이 함께 사용합니다. 워크플로나 설정에는 들어가지 " +
      "않으며, 이 페이지에서 다시 읽을 수 없습니다.",
    close: "닫기",
    save: "저장",
    clear: "지우기",
    keyOf: "{label} 키",
    saveOf: "{label} 키 저장",
    clearOf: "{label} 키 지우기",
    paste: "키 붙여넣기",
    replace: "다른 키로 바꾸기",
    notSet: "설정되지 않음",
    inKeyring: "설정됨, 시스템 키링",
    inFile: "설정됨, Viseme 비공개 파일",
    inEnvironment: "ComfyUI 환경 변수 {variable}(으)로 설정됨. 그곳에서 변경하세요",
    kept: "{label} 키를 저장했습니다.",
    cleared: "{label} 키를 지웠습니다.",
    empty: "{label} 키가 비어 있습니다. 먼저 입력란에 붙여넣으세요.",
    noAnswer:
      "ComfyUI가 {route}에 {status}(으)로 응답했습니다. 로그를 확인하세요. Viseme를 새로 설치했거나 " +
      "업데이트했다면 ComfyUI를 다시 시작하세요.",
    left: "끝나지 않은 립싱크: {count}개",
    leftRemedy: "해당 그래프를 다시 실행하거나 ID를 '립싱크 작업 가져오기'에 넣으세요. {paid}{jobs}",
    leftPaid: "두 번 결제되지 않습니다. ",
    sandbox: "샌드박스",
  },
  fr: {
    title: "Viseme : clés",
    about:
      "Une clé par fournisseur chez qui vous achetez ; le bac à sable n'en demande aucune. Une clé " +
      "est gardée sur la machine qui exécute ComfyUI, pour tous ceux qui s'en servent. Elle n'est " +
      "dans aucun workflow ni réglage, et cette page ne peut pas la relire.",
    close: "Fermer",
    save: "Enregistrer",
    clear: "Effacer",
    keyOf: "Clé de {label}",
    saveOf: "Enregistrer la clé de {label}",
    clearOf: "Effacer la clé de {label}",
    paste: "Collez la clé",
    replace: "Une autre clé à sa place",
    notSet: "Non définie",
    inKeyring: "Définie, dans le trousseau du système",
    inFile: "Définie, dans le fichier privé de Viseme",
    inEnvironment: "Définie par {variable} dans l'environnement de ComfyUI ; modifiez-la là-bas",
    kept: "La clé de {label} est enregistrée.",
    cleared: "La clé de {label} est effacée.",
    empty: "La clé de {label} est vide. Collez-la d'abord dans son champ.",
    noAnswer:
      "ComfyUI a répondu {status} à {route}. Consultez son journal ; si Viseme est nouveau ou " +
      "vient d'être mis à jour, redémarrez ComfyUI.",
    left: "Synchros labiales inachevées : {count}",
    leftRemedy:
      "Relancez leurs graphes, ou donnez un identifiant au nœud « Récupérer une " +
      "tâche de synchro labiale ». {paid}{jobs}",
    leftPaid: "Rien n'est payé deux fois. ",
    sandbox: "bac à sable",
  },
  es: {
    title: "Viseme: claves",
    about:
      "Una clave por cada proveedor al que compras; en el sandbox no hace falta ninguna. La " +
      "clave se guarda en la máquina que ejecuta ComfyUI, para todos los que lo usan. No está en " +
      "ningún flujo de trabajo ni ajuste, y esta página no puede volver a leerla.",
    close: "Cerrar",
    save: "Guardar",
    clear: "Borrar",
    keyOf: "Clave de {label}",
    saveOf: "Guardar la clave de {label}",
    clearOf: "Borrar la clave de {label}",
    paste: "Pega la clave",
    replace: "Otra clave en su lugar",
    notSet: "Sin definir",
    inKeyring: "Definida, en el llavero del sistema",
    inFile: "Definida, en el archivo privado de Viseme",
    inEnvironment: "Definida por {variable} en el entorno de ComfyUI; cámbiala allí",
    kept: "La clave de {label} está guardada.",
    cleared: "La clave de {label} está borrada.",
    empty: "La clave de {label} está vacía. Pégala primero en su campo.",
    noAnswer:
      "ComfyUI respondió {status} a {route}. Mira su registro; si Viseme es nuevo o se acaba de " +
      "actualizar, reinicia ComfyUI.",
    left: "Sincronizaciones labiales sin terminar: {count}",
    leftRemedy:
      "Vuelve a ejecutar sus grafos o da un identificador a «Recuperar trabajo de " +
      "sincronización labial». {paid}{jobs}",
    leftPaid: "Nada se paga dos veces. ",
    sandbox: "sandbox",
  },
  pt: {
    title: "Viseme: chaves",
    about:
      "Uma chave para cada fornecedor de quem você compra; no sandbox nenhuma é " +
      "necessária. A chave fica na máquina que executa o ComfyUI, para todos que o usam. Ela não está " +
      "em nenhum fluxo de trabalho nem configuração, e esta página não consegue lê-la de volta.",
    close: "Fechar",
    save: "Salvar",
    clear: "Apagar",
    keyOf: "Chave de {label}",
    saveOf: "Salvar a chave de {label}",
    clearOf: "Apagar a chave de {label}",
    paste: "Cole a chave",
    replace: "Outra chave em seu lugar",
    notSet: "Não definida",
    inKeyring: "Definida, no chaveiro do sistema",
    inFile: "Definida, no arquivo privado do Viseme",
    inEnvironment: "Definida por {variable} no ambiente do ComfyUI; altere-a lá",
    kept: "A chave de {label} foi salva.",
    cleared: "A chave de {label} foi apagada.",
    empty: "A chave de {label} está vazia. Cole-a primeiro em seu campo.",
    noAnswer:
      "O ComfyUI respondeu {status} a {route}. Veja seu registro; se o Viseme é novo ou acabou de " +
      "ser atualizado, reinicie o ComfyUI.",
    left: "Sincronias labiais inacabadas: {count}",
    leftRemedy:
      "Execute seus grafos de novo ou dê um identificador a “Recuperar trabalho de " +
      "sincronia labial”. {paid}{jobs}",
    leftPaid: "Nada é pago duas vezes. ",
    sandbox: "sandbox",
  },
};

/**
 * A text in the language of the page, English where there is none.
 *
 * @param {Word} name
 * @param {Record<string, string | number>} [values] what stands in braces in it
 * @returns {string}
 */
export function words(name, values = {}) {
  const locale = String(app.extensionManager.setting.get("Comfy.Locale") ?? "en");
  const texts = LANGUAGES[locale.split("-")[0]] ?? ENGLISH;
  return texts[name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}
